import ForebayTestKit

extension Round {
    /// The names that a run of many rounds must have hit: each fault, each way to end, each branch of recovery, each alarm.
    package static let required: [String] =
        DiskFault.Kind.allCases.map { "fault.\($0.rawValue)" } + DiskDeath.Kind.allCases.map { "end: \($0.rawValue)" }
        + Damage.Kind.allCases.map { "damage: \($0.rawValue)" } + Damage.Target.allCases.map { "damaged: \($0.rawValue)" }
        + Trouble.Kind.allCases.map { "trouble: \($0.rawValue)" }
        + Trouble.Kind.allCases.map { "trouble of the backup: \($0.rawValue)" } + Self.mirrors + Self.world + Self.sweeps + Self.recovery
        + Self.alarms.map { "alarm: \($0)" } + Self.holes.map { "missing: \($0)" }

    private static let world = [
        "end: ended", "end: the disk broke its word", "fault.diskFull", "refused: full", "refused: spool_full",
        "route added", "route removed", "route back", "route renamed", "routes reordered", "start with a removed route",
        "removed route with a backlog", "removed route with events set aside", "route given up, node running", "route given up, node down",
        "side log given up", "log: a route has taken over what it left under a former name", "cluster away", "dead letters",
        "log: set aside", "inspection beside a running node", "inspection of a folder at rest",
        "files taken away under the node are noticed", "a folder is moved away", "a folder has another one in its place",
        "a folder that is away is noticed", "the newest segment is away", "a segment is away", "a segment that was away is back",
        "events of a segment that is back stay told",
    ]

    private static let mirrors = [
        "mirror comes with its route", "mirror comes to a route", "mirror goes with its route", "mirror is taken from a route",
        "mirror is renamed with its route", "mirror begins", "mirror begins again at the end", "mirror goes on", "removed mirror stays",
        "removed mirror stays under a former name", "removed mirror with nothing left is given up", "removed mirror with a backlog",
        "removed mirror that keeps its place", "removed mirror with events set aside", "mirror given up, node running",
        "mirror given up, node down", "dead letters of a mirror", "the backup is dead, and all forwards are done",
        "mirror gives up what it has beside the spool", "mirror gives up the oldest segment", "mirror lacks what it gave up",
        "mirror gives up a segment of which a process before settled some",
    ]

    private static let sweeps = [
        "segments begun", "segments of side logs begun", "sweep: the oldest segments were released",
        "sweep: a passed segment becomes the next one", "sweep: a segment of what was set aside goes",
        "sweep: a segment behind one that is needed is cut to its header", "moved to quarantine",
    ]

    private static let recovery = [
        "log: recovered after an unclean stop", "log: a file that is no segment of ours is left alone",
        "log: a copy of a segment under another name is left alone", "log: a segment that was never used is removed",
        "log: a segment could not be sealed; it is read anew at the next start",
        "log: a segment that is not needed any more can't be removed; it keeps its room, and is tried again",
        "log: the next segment could not be prepared",
        "log: one copy of a segment's header was damaged; it is written anew from the other",
        "log: one slot of a cursor was damaged; it is written anew", "log: the last groups could not be written again",
        "log: the disk is full: the reserve is used for cursors, dead letters and what is set aside",
        "log: nothing can be kept any more: start the node again", "log: events are set aside from before the start",
        "log: goes direct again", "log: dead letters can't be written; the cursor waits",
        "log: events can't be set aside; the cursor waits",
    ]

    private static let alarms = [
        "a segment of another log", "neither copy of the segment's header can be read", "the newest segment is gone or can't be read",
        "it is gone or can't be read", "the registry of cursors is gone or can't be read", "the cursor can't be read",
        "the cursor's file is gone", "the entry of unit", "the spool is gone", "the folder is gone",
    ]

    private static let holes = [
        "the log ends below a mark", "the checksum of a frame is wrong", "frames are missing", "the segment's file can't be opened",
        "a segment is gone", "the oldest segments are gone",
    ]
}
