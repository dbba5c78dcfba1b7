/// Where a rule does not hold, and why. Keep it short.
enum Excuses {
    /// Missing files of a stage.
    static let stageShape: [String: String] = [
        "BufferMetrics.swift": "what the buffer does is the spool's to count, and the spool does"
    ]
    /// By file.
    static let sleeping: [String: String] = [
        "Tests/Simulation/Tests/SimulatedProcessTests.swift": "simulated time, which takes none",
        "Tests/Simulation/Tests/RestartTests.swift": "simulated time, which takes none",
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
    /// Files that are longer than the rule has it, 400 lines at most: to be parted when somebody works on them.
    static let length: Set<String> = [
        "Sources/ForebayTestKit/Simulation/SimulatedProcess.swift",
        "Tests/ForebayBufferTests/SettledAheadSourceTests.swift",
        "Tests/ForebayCommandTests/FolderCommandTests.swift",
        "Tests/ForebayCommandTests/StatusCommandTests.swift",
        "Tests/Simulation/Tests/RestartTests.swift",
    ]
    /// By type: how many stored properties it has. To be parted; until then it may only become smaller.
    static let storedProperties: [String: Int] = [
        "ForebayKafka.KafkaProducer": 16,
        "ForebayTestKit.SimulatedDisk": 24,
        "ForebayTestKit.SimulatedProcess": 20,
        "ForebayTestKit.SimulatedProducer": 23,
    ]
}
