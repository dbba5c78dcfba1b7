import ForebayCore
import ForebayTelemetry
import ForebayTestKit

/// What of all that was acknowledged may be lost: what alarms tell, and what nothing can tell. Each part is of the events that there were
/// when it came to be so, for numbers go on and may be given again.
struct Losses {
    struct Part {
        var sequences: Range<UInt64>
        /// Of events with a lower number.
        let below: Int
    }

    /// In the spool, told in alarms.
    var told: [Part] = []
    /// Alarms that name only where what may be lost begins, by that: events below a number, which there were when they were told first.
    private(set) var begun: [UInt64: Int] = [:]
    /// Damage to the last groups before a crash, which no mark covers yet: lost without a word.
    var untold: [Part] = []
    /// Told once, and had back.
    private var late: [Part] = []
    /// What of that was told: where nobody can read any more what was told, it is not missed by cursors that have passed it.
    private var returned: [Part] = []
    /// Events of side logs that are said to be lost. Which ones, only their places tell.
    private var aside: [LineDelivery: (count: UInt64, below: Int)] = [:]
    /// Events below a number that may be lost in a side log, and nothing tells how many.
    var unknownAside: [LineDelivery: Int] = [:]
    /// By stage and topic, events below a number of which nobody knows any more whether they were set aside as a partition's or as the topic's:
    /// which of these are older can't be told.
    private var mixed: [String: Int] = [:]

    func isTold(_ event: Int, at sequence: UInt64) -> Bool { self.told.contains { event < $0.below && $0.sequences.contains(sequence) } }

    /// The same, but for an alarm without an end where the event may be lost in its side log instead, where the spool had rightly let go of it.
    func isTold(_ event: Int, _ known: Model.KnownEvent) -> Bool {
        let mayBeAside = [DeliveryName.Stage.forward, .mirror].contains { self.mayBeAside(event, LineDelivery(known.line, $0)) }
        return self.told.contains { part in
            event < part.below && part.sequences.contains(known.sequence) && !(mayBeAside && part.sequences.upperBound == .max)
        }
    }

    /// Whether an event may be one of those that a side log lost.
    private func mayBeAside(_ event: Int, _ delivery: LineDelivery) -> Bool {
        event < max(self.aside[delivery]?.below ?? 0, self.unknownAside[delivery] ?? 0)
    }

    func mayBeUntold(_ event: Int, at sequence: UInt64) -> Bool {
        self.untold.contains { event < $0.below && $0.sequences.contains(sequence) }
    }

    /// A topic is made anew: its broker knows no sequences of a producer, and takes what is on its way whatever it refused before it.
    mutating func madeAnew(_ topic: String, of stage: DeliveryName.Stage, below event: Int) {
        self.mixed["\(stage.rawValue) \(topic)"] = event
    }

    /// What is lost of a side log is sent again if it is still in the spool, and so behind newer events.
    func mayBeLate(_ event: Int, _ known: Model.KnownEvent, of delivery: LineDelivery) -> Bool {
        self.late.contains { event < $0.below && $0.sequences.contains(known.sequence) } || self.mayBeAside(event, delivery)
            || event < self.mixed["\(delivery.stage.rawValue) topic-\(known.line)-\(known.topic)"] ?? 0
    }

    /// - Parameter all: the events that never arrived.
    func mayBeLostAside(
        _ event: Int, _ known: Model.KnownEvent, of stage: DeliveryName.Stage, among all: [Int], _ events: [Model.KnownEvent]
    ) -> Bool {
        let delivery = LineDelivery(known.line, stage)
        if event < self.unknownAside[delivery] ?? 0 { return true }
        guard let told = self.aside[delivery], event < told.below else { return false }
        let counted = all.count { events[$0].line == known.line && $0 < told.below && $0 >= self.unknownAside[delivery] ?? 0 }
        return UInt64(counted) <= told.count
    }

    /// What a file had that is back is not lost any more, unless the next start says so.
    ///
    /// - Parameter late: comes behind newer ones that were sent meanwhile, of a cursor that stands before it: one that older events hold, or
    ///   a process that ended before its reports came.
    mutating func hadBack(_ sequences: Range<UInt64>, late: Part) {
        self.late.append(late)
        self.told = self.told.flatMap { part in
            let known = sequences.clamped(to: part.sequences)
            guard !known.isEmpty else { return [part] }
            self.returned.append(Part(sequences: known, below: part.below))
            return [part.sequences.lowerBound..<known.lowerBound, known.upperBound..<part.sequences.upperBound].filter { !$0.isEmpty }.map {
                Part(sequences: $0, below: part.below)
            }
        }
    }

    // MARK: What a node tells

    /// - Parameters:
    ///   - before: so many events there were when the process began.
    ///   - now: so many there are.
    mutating func read(_ record: LogRecord, before: Int, now: Int) {
        switch record.message {
        case "acknowledged events can't be read any more":
            guard let sequences = Self.sequences(record) else { return }
            let folder = record["folder"] ?? ""
            let isOpen = record["reason"]?.hasSuffix("more may be lost") ?? false
            if folder.hasSuffix("/spool") {
                self.told.append(Part(sequences: sequences, below: now))
                if isOpen { self.told.append(Part(sequences: sequences.lowerBound..<UInt64.max, below: before)) }
            } else if let delivery = RoundPlan.Line.delivery(ofSideLog: folder) {
                if isOpen { self.unknownAside[delivery] = before }
                let count = UInt64(record["events"] ?? "") ?? 0
                self.aside[delivery] = ((self.aside[delivery]?.count ?? 0) + count, now)
            }
        case "something of the log is damaged or gone":
            self.readAlarm(record["file"] ?? "", record["what"] ?? "", before: before)
        default: break
        }
    }

    static func sequences(_ record: LogRecord) -> Range<UInt64>? {
        let ends = (record["sequences"] ?? "").split { !$0.isNumber }.compactMap { UInt64($0) }
        return ends.count == 2 && ends[0] <= ends[1] ? ends[0]..<ends[1] : nil
    }

    /// The sequence from which on events may be lost, as an alarm has it.
    static func lostFrom(_ text: String) -> UInt64? {
        text.firstRange(of: "from sequence ").flatMap { UInt64(text[$0.upperBound...].prefix { $0.isNumber }) }
    }

    /// Starts tell of these.
    private mutating func readAlarm(_ file: String, _ text: String, before: Int) {
        let delivery = RoundPlan.Line.delivery(ofSideLog: file)
        if text.hasPrefix("the folder is gone"), let delivery {
            self.unknownAside[delivery] = before
        } else if text.hasPrefix("the entry of unit "), let topic = text.firstRange(of: "(topic ") {
            self.madeAnew(String(text[topic.upperBound...].prefix { $0 != ")" }), of: delivery?.stage ?? .forward, below: before)
        } else if text.hasPrefix("it can't be read: what was told"), delivery == nil {
            self.untold += self.returned
        }
        guard let sequence = Self.lostFrom(text) else { return }
        if let delivery { return self.unknownAside[delivery] = before }
        self.begun[sequence] = self.begun[sequence] ?? before
        self.told.append(Part(sequences: sequence..<UInt64.max, below: before))
    }
}

extension Model {
    /// Takes over what was logged: alarms, and which branches ran.
    func read(_ log: [LogRecord]) {
        for record in log {
            self.coverage.hit("log: \(record.message)")
            switch record.message {
            case "acknowledged events can't be read any more":
                self.coverage.hit("missing: \(Self.kind(record["reason"] ?? ""))")
                if !self.isDamaged, let sequences = Losses.sequences(record) {
                    self.violate("sequences \(sequences) are said to be lost, and nothing was damaged")
                }
            case "something of the log is damaged or gone":
                let text = record["what"] ?? ""
                self.coverage.hit("alarm: \(Self.kind(text))")
                if text.contains("begins at the oldest event") { self.mirrors.mayBeginAtOldest = true }
                if !self.isDamaged { self.violate("a false alarm: \(record["file"] ?? "") \(text)") }
                let isUnknown = text.hasPrefix("the registry of logs can't be read")
                if isUnknown, let folderLost, let delivery = RoundPlan.Line.delivery(ofSideLog: folderLost) {
                    self.losses.unknownAside[delivery] = self.eventsBefore
                } else if text.hasPrefix("the spool is gone") || isUnknown && self.folderLost != nil {
                    self.spoolIsGone()
                }
                let file = record["file"] ?? ""
                if let away = self.newestAsideAway, file.hasSuffix("/mark"), RoundPlan.Line.delivery(ofSideLog: file) == away {
                    self.losses.unknownAside[away] = self.eventsBefore
                }
            default: break
            }
            self.losses.read(record, before: self.eventsBefore, now: self.events.count)
        }
    }

    /// Its first words, without what differs each time.
    private static func kind(_ text: String) -> String {
        let words = text.prefix { !",:;(".contains($0) }.split(separator: " ").filter { !$0.allSatisfy(\.isNumber) }
        return words.joined(separator: " ")
    }
}
