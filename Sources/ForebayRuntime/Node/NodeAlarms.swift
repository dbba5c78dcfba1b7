import ForebayAdmin
import ForebayCore
import ForebaySpool

/// What was found lost or damaged in the node's logs, in words for whoever is on call. The table in docs/reference/spool-format.md says
/// what happens to each file.
enum NodeAlarms {
    static func all(_ storage: NodeStorage) async -> [AlarmStatus] {
        var alarms = Self.alarms(of: "spool", storage.spool.damage)
        let removed = storage.removed
        let former = Dictionary(storage.formerSetAside.values.joined().map { ($0.name, $0.log) }) { $1 }
        let logs = storage.setAside.merging(removed.compactMapValues(\.setAside)) { $1 }.merging(former) { $1 }
        for (route, log) in logs.sorted(by: { $0.key < $1.key }) {
            let topics = Dictionary(log.units.map { ($0.number, $0.topic) }) { first, _ in first }
            alarms += Self.alarms(of: "setaside/\(route)", log.damage, topics)
        }
        for (route, log) in storage.deadLetters.merging(removed.mapValues(\.deadLetters), uniquingKeysWith: { $1 })
            .sorted(by: { $0.key < $1.key })
        {
            alarms += Self.alarms(of: "deadletters/\(route)", await log.damage)
        }
        return alarms
    }

    /// What is lost stands first.
    static func alarms(of log: String, _ damage: SpoolDamage, _ topics: [UInt64: String] = [:]) -> [AlarmStatus] {
        damage.missing.map { missing in
            AlarmStatus(
                log: log, what: Self.text(missing), file: "segment \(missing.segment)", lost: missing.sequences,
                topic: missing.unit.flatMap { topics[$0] }, noticedAt: missing.noticedAt, advice: Self.adviceForLoss)
        }
            + damage.alarms.map { alarm in
                AlarmStatus(
                    kind: alarm.kind == .stays ? .notRemoved : .damage, log: log, what: alarm.text, file: alarm.file,
                    noticedAt: alarm.noticedAt, advice: alarm.kind == .stays ? Self.adviceForStaying : Self.advice(for: alarm.file))
            }
    }

    private static func text(_ missing: MissingRange) -> String {
        missing.unit.map { "events of set-aside unit \($0) can't be read: \(missing.reason)" } ?? "events can't be read: \(missing.reason)"
    }

    private static let adviceForLoss =
        "look at the disk (dmesg, SMART); have the producers send these again if they can; the file stays in the log's folder quarantine/ once "
        + "the rest of it is delivered: see docs/how-to/after-damage.md"

    private static let adviceForStaying =
        "nothing is lost, and it is tried again by itself; what stays keeps its room: see to what the error says (room on the disk, the limit "
        + "of open files, permissions in data_dir), then to the disk (dmesg, SMART)"

    /// By what the file was for.
    static func advice(for file: String) -> String {
        let parts = file.split(separator: "/")
        let (name, folder) = (parts.last ?? "", parts.dropLast().last ?? "")
        if folder == "segments" {
            return
                "look at the disk (dmesg, SMART); the events in it are lost unless the file can be had back: see docs/how-to/after-damage.md"
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
