import ForebayTestKit

extension Round {
    /// The names that a run of many rounds must have hit: each fault, each way to end, each branch of recovery, each alarm.
    package static let required: [String] =
        DiskFault.Kind.allCases.map { "fault.\($0.rawValue)" } + DiskDeath.Kind.allCases.map { "end: \($0.rawValue)" }
        + Damage.Kind.allCases.map { "damage: \($0.rawValue)" } + Damage.Target.allCases.map { "damaged: \($0.rawValue)" }
        + Trouble.Kind.allCases.map { "trouble: \($0.rawValue)" }
        + Self.world + Self.sweeps + Self.recovery + Self.alarms.map { "alarm: \($0)" } + Self.holes.map { "missing: \($0)" }

    private static let world = [
        "end: ended", "end: the disk broke its word", "fault.diskFull", "refused: full", "refused: spool_full", "outcome unknown",
        "route added", "route removed", "route back", "route renamed", "routes reordered", "start with a removed route",
        "removed route with a backlog", "removed route with events set aside", "route given up, node running", "route given up, node down",
        "side log given up", "log: a route has taken over what it left under a former name", "cluster away", "dead letters",
        "log: set aside", "inspection beside a running node", "inspection of a folder at rest",
        "files taken away under the node are noticed",
    ]

    private static let sweeps = [
        "segments begun", "segments of side logs begun", "sweep: the oldest segments were released",
        "sweep: a passed segment becomes the next one", "sweep: a segment of what was set aside goes",
        "sweep: a segment behind one that is needed is cut to its header", "moved to quarantine",
    ]

    private static let recovery = [
        "log: recovered after an unclean stop"
    ]

    private static let alarms: [String] = []

    private static let holes = [
        "the log ends below a mark", "the checksum of a frame is wrong", "a segment is gone", "the oldest segments are gone",
    ]
}
