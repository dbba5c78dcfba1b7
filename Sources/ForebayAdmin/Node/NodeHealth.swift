/// What the probes judge by. Facts of this node alone: that Kafka is away is for `status` and the metrics, it must not take the node out of
/// service, because accepting is what the node is for while Kafka is away.
package struct NodeHealth: Sendable, Equatable {
    package enum Phase: String, Sendable {
        /// The spool is being opened, the stages are being made.
        case starting
        case running
        case draining
    }

    package enum Buffer: Sendable, Equatable {
        case opening
        case accepting
        /// Above the mark: answers are 503 until the backlog has shrunk.
        case full
        /// With the reason.
        case failed(String)
    }

    package var phase: Phase
    /// How far the start is, for people.
    package var progress: String
    package var buffer: Buffer
    /// Why the time of day can't be right, and no event is taken.
    package var clockFault: String?
    /// The ingest listener is bound.
    package var isListening: Bool
    /// The stages that accepting needs and that do not run, with what they say.
    package var missingStages: [String]
    /// Those that it does not need, as of delivery: told, and no reason to take the node out of service.
    package var otherStagesDown: [String]

    package init(
        phase: Phase, progress: String = "", buffer: Buffer, clockFault: String? = nil, isListening: Bool, missingStages: [String] = [],
        otherStagesDown: [String] = []
    ) {
        self.phase = phase
        self.progress = progress
        self.buffer = buffer
        self.clockFault = clockFault
        self.isListening = isListening
        self.missingStages = missingStages
        self.otherStagesDown = otherStagesDown
    }

    /// One question and its answer.
    package struct Check: Sendable, Equatable {
        package let name: String
        package let isPassed: Bool
        package let detail: String
    }

    /// `/startupz`: the start is over, whatever came after it.
    package var startup: [Check] {
        [
            Check(
                name: "started", isPassed: self.phase != .starting,
                detail: self.phase == .starting ? (self.progress.isEmpty ? "starting" : self.progress) : "started")
        ]
    }

    /// `/readyz`: this node can accept events durably, now.
    package var readiness: [Check] {
        let phase =
            switch self.phase {
            case .starting: "starting"
            case .running: "running"
            case .draining: "draining: it takes no new events and ends soon"
            }
        let (isAccepting, buffer) =
            switch self.buffer {
            case .opening: (false, "the spool is being opened")
            case .accepting: (true, "writable, below its mark")
            case .full: (false, "full: it accepts again when the backlog has shrunk")
            case .failed(let reason): (false, reason)
            }
        return [
            Check(name: "phase", isPassed: self.phase == .running, detail: phase),
            Check(name: "buffer", isPassed: isAccepting, detail: buffer),
            Check(name: "clock", isPassed: self.clockFault == nil, detail: self.clockFault ?? "set"),
            Check(name: "listener", isPassed: self.isListening, detail: self.isListening ? "bound" : "not bound yet"),
            Check(
                name: "stages", isPassed: self.missingStages.isEmpty,
                detail: self.stages),
        ]
    }

    private var stages: String {
        let down = self.missingStages + self.otherStagesDown
        if down.isEmpty { return "running" }
        return (self.missingStages.isEmpty ? "accepting; " : "") + down.joined(separator: "; ")
    }

    package var isReady: Bool { self.readiness.allSatisfy(\.isPassed) }

    /// Why the node is not ready, in one line.
    package var unreadyReason: String? { Self.reason(self.readiness) }

    /// Why a node that runs takes no events, in one line. A stage that is about to run is none.
    package var refusalReason: String? { Self.reason(self.readiness.filter { ["buffer", "clock"].contains($0.name) }) }

    private static func reason(_ checks: [Check]) -> String? {
        let failed = checks.filter { !$0.isPassed }
        return failed.isEmpty ? nil : failed.map { "\($0.name): \($0.detail)" }.joined(separator: "; ")
    }
}
