import ForebayAdmin
import ForebayCore
import ForebaySpool
import ForebayTelemetry

/// What was found lost or damaged in the node's logs, in words for whoever is on call. The table in docs/reference/spool-format.md says
/// what happens to each file.
enum NodeAlarms {
    /// One log of the node.
    private struct Log {
        let name: String
        /// Topics of a set-aside log's units.
        var topics: [UInt64: String] = [:]
        let damage: @Sendable () -> SpoolDamage
        let acknowledge: @Sendable () async throws(ForebayError) -> SpoolDamage
    }

    private static func logs(_ storage: NodeStorage) -> [Log] {
        let spool = storage.spool
        var logs = [
            Log(name: "spool", damage: { spool.damage }, acknowledge: { () throws(ForebayError) in try await spool.acknowledgeAlarms() })
        ]
        for (delivery, log) in storage.allSetAside.sorted(by: { $0.key < $1.key }) {
            let topics = Dictionary(log.units.map { ($0.number, $0.topic) }) { first, _ in first }
            logs.append(
                Log(
                    name: "setaside/\(delivery)", topics: topics, damage: { log.damage },
                    acknowledge: { () throws(ForebayError) in try await log.acknowledgeAlarms() }))
        }
        for (delivery, log) in storage.allDeadLetters.sorted(by: { $0.key < $1.key }) {
            logs.append(
                Log(
                    name: "deadletters/\(delivery)", damage: { log.damage },
                    acknowledge: { () throws(ForebayError) in try await log.acknowledgeAlarms() }))
        }
        return logs
    }

    /// A log by the name that it has here, `setaside/orders/mirror`; its folder's, `setaside/orders@mirror`, is understood, too.
    static func called(_ name: String) -> String {
        let parts = name.split(separator: "/", maxSplits: 1).map(String.init)
        guard parts.count == 2, SideLogFolder.Kind(rawValue: parts[0]) != nil else { return name }
        return "\(parts[0])/\(DeliveryName(folder: parts[1]))"
    }

    /// Whether what a side log has lost is a copy: the route's main delivery has, or gets, the events all the same.
    private static func isOfCopy(_ log: String) -> Bool {
        let name = Self.called(log)
        guard name != "spool", let slash = name.firstIndex(of: "/") else { return false }
        return DeliveryName(name: String(name[name.index(after: slash)...])).stage != .forward
    }

    static func all(_ storage: NodeStorage) -> [AlarmStatus] { self.of(nil, storage) ?? [] }

    /// - Returns: none if there is no such log.
    static func of(_ name: String?, _ storage: NodeStorage) -> [AlarmStatus]? {
        let logs = Self.logs(storage).filter { name == nil || $0.name == name.map(Self.called) }
        guard !logs.isEmpty else { return nil }
        var alarms: [AlarmStatus] = []
        for log in logs { alarms += Self.alarms(of: log.name, log.damage(), log.topics) }
        return alarms
    }

    /// The same of what is acknowledged by that.
    static func acknowledge(_ name: String?, _ storage: NodeStorage) async throws(ForebayError) -> [AlarmStatus]? {
        let logs = Self.logs(storage).filter { name == nil || $0.name == name.map(Self.called) }
        guard !logs.isEmpty else { return nil }
        var alarms: [AlarmStatus] = []
        for log in logs {
            let seen = Self.alarms(of: log.name, try await log.acknowledge(), log.topics)
            for alarm in seen { Self.logger.info("an alarm was acknowledged", ["log": alarm.log, "file": alarm.file, "what": alarm.what]) }
            alarms += seen
        }
        return alarms
    }

    /// The logs of a node that is down.
    static func of(_ name: String?, in directory: String, isSeen: Bool) throws(ForebayError) -> [AlarmStatus]? {
        var folders = [(name: "spool", path: "\(directory)/spool")]
        for kind in SideLogFolder.Kind.allCases.reversed() {
            folders += try SideLogFolder.all(kind, in: directory).map { (Self.called("\(kind.rawValue)/\($0.route)"), $0.path) }
        }
        folders = folders.filter { name == nil || $0.name == name.map(Self.called) }
        guard !folders.isEmpty else { return nil }
        var alarms: [AlarmStatus] = []
        for folder in folders {
            let log = LogAlarms(directory: folder.path)
            let units = folder.name.hasPrefix("setaside/") ? try SetAsideLog.list(directory: folder.path) : []
            let topics = Dictionary(units.map { ($0.number, $0.topic) }) { first, _ in first }
            alarms += Self.alarms(of: folder.name, isSeen ? try log.acknowledge() : try log.unacknowledged(), topics)
        }
        return alarms
    }

    private static let logger = Logger(label: "node")

    /// What is lost stands first.
    static func alarms(of log: String, _ damage: SpoolDamage, _ topics: [UInt64: String] = [:]) -> [AlarmStatus] {
        damage.missing.map { missing in
            AlarmStatus(
                log: log, what: Self.text(missing), file: "segment \(missing.segment)", lost: missing.sequences,
                lostEvents: missing.events, topic: missing.topic ?? missing.unit.flatMap { topics[$0] }, noticedAt: missing.noticedAt,
                advice: missing.isGone ? Self.adviceForSegment(of: log) : Self.adviceForLoss(of: log))
        }
            + damage.alarms.map { alarm in
                AlarmStatus(
                    kind: alarm.kind == .stays ? .notRemoved : .damage, log: log, what: alarm.text, file: alarm.file,
                    losesUncounted: alarm.holdsEvents, noticedAt: alarm.noticedAt,
                    advice: alarm.kind == .stays ? Self.adviceForStaying : Self.advice(for: alarm.file))
            }
    }

    private static func text(_ missing: MissingRange) -> String {
        missing.unit.map { "events of set-aside unit \($0) can't be read: \(missing.reason)" } ?? "events can't be read: \(missing.reason)"
    }

    private static func adviceForLoss(of log: String) -> String {
        "look at the disk (dmesg, SMART); \(Self.isOfCopy(log) ? Self.adviceForCopy : "have the producers send these again if they can"); the file "
            + "stays in the log's folder quarantine/ once the rest of it is delivered: see docs/how-to/after-damage.md"
    }

    /// Sent again they would stand twice where the route's main delivery brings them.
    private static let adviceForCopy =
        "have nobody send these again, for the main delivery is not touched by this: if the mirror needs them, copy them from its cluster"

    private static let adviceForStaying =
        "nothing is lost, and it is tried again by itself; what stays keeps its room: see to what the error says (room on the disk, the limit "
        + "of open files, permissions in data_dir), then to the disk (dmesg, SMART)"

    /// - Parameter log: `setaside/orders`.
    private static func adviceForSegment(of log: String) -> String {
        if log.hasPrefix("setaside/"), Self.isOfCopy(log) {
            return
                "look at the disk (dmesg, SMART); the events in it are not delivered, also if the file is had back; \(Self.adviceForCopy): see "
                + "docs/how-to/after-damage.md"
        }
        if log.hasPrefix("setaside/") {
            return
                "look at the disk (dmesg, SMART); the events in it are not delivered, also if the file is had back: read them from it, and have "
                + "them sent again: see docs/how-to/after-damage.md"
        }
        return
            "look at the disk (dmesg, SMART); the events in it are lost unless the file can be had back: see docs/how-to/after-damage.md"
    }

    /// By what the file was for.
    static func advice(for file: String) -> String {
        let parts = file.split(separator: "/")
        let (name, folder) = (parts.last ?? "", parts.dropLast().last ?? "")
        if folder == "segments" {
            return Self.adviceForSegment(of: parts.suffix(4).prefix(2).joined(separator: "/"))
        }
        if name == "spool" || SideLogFolder.Kind.allCases.contains(where: { $0.rawValue == folder }) {
            return
                "what waited in it is lost, unless it is had back (a disk that is not mounted, a copy that left it out): stop the node before "
                + "you put it back: see docs/how-to/after-damage.md"
        }
        if folder == "cursors" || name == "units" {
            return "nothing is lost: events may be delivered again, with the same forebay-id; look at the disk (dmesg, SMART)"
        }
        return "nothing is lost, unless another alarm says so: it is made anew; look at the disk (dmesg, SMART)"
    }
}
