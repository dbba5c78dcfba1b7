/// Where a rule does not hold, and why. Keep it short.
enum Excuses {
    /// Missing files of a stage.
    static let stageShape: [String: String] = [
        "BufferMetrics.swift": "what the buffer does is the spool's to count, and the spool does"
    ]
    /// By file.
    static let sleeping: [String: String] = [
        "Tests/Simulation/Tests/SimulatedProcessTests.swift": "simulated time, which takes none",
        "Tests/Simulation/Tests/RestartNode.swift": "simulated time, which takes none",
        "Tests/Simulation/World/ModelDelivery.swift": "simulated time, which takes none",
        "Tests/Simulation/World/SimulatedNode.swift": "simulated time, which takes none",
        "Sources/ForebayTestKit/Eventually.swift": "polls what gives no signal, up to a deadline",
        "Sources/ForebayTestKit/Kafka/Command.swift": "A watchdog: kills a command that hangs.",
        "Tests/ForebayDeliveryTests/RouteRound.swift": "sleeps in simulated time, which takes none",
        "Tests/ForebayDeliveryTests/RouteRound+Disturbances.swift": "sleeps in simulated time, which takes none",
        "Tests/ForebayDeliveryTests/ScriptedCluster.swift": "simulated time, which takes none",
        "Tests/ForebayDeliveryTests/StageWorld.swift": "simulated time, which takes none",
        "Tests/ForebayKafkaTests/ProducerContractTests.swift": "what a client has written to a frozen broker gives no signal",
        "Tests/ForebayDeliveryTests/RealKafkaTests.swift": "How long a broker stays frozen is what is tested; nothing waits for luck.",
        "Tests/ForebayCoreTests/SupportTests.swift": "the process's own clock: that time passes is what is tested",
        "Sources/ForebayTestKit/Kafka/Waiting.swift": "polls other processes, which give no signal, up to a deadline",
        "Tests/ForebayHTTPTests/HTTPTimesTests.swift": "plays the slow client: that time passes is what is tested",
        "Tests/ForebayHTTPTests/Support.swift": "polls a socket's other side up to a deadline",
    ]
    /// By target.
    static let foundation: [String: String] = ["ForebayTestKit": "runs in tests only"]
}
