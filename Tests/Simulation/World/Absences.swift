import ForebayCore
import ForebaySpool
import ForebayTestKit
import Glibc

/// Segments that somebody takes away while the node is down, and puts back under their names one or two lives later.
///
/// What such a one of the spool has arrives then, or is told of as lost to whom passed its place meanwhile, and stays told. One that was set
/// aside is not read again: what it had stays told. As long as something is, its bytes are there for an operator: in `segments/`, or in
/// `quarantine/`.
final class Absences: @unchecked Sendable {  // Safe because: one thread at a time runs the simulation.
    private struct Segment {
        let path: String
        /// Of a log of what is set aside; none: the spool's.
        let delivery: LineDelivery?
        let bytes: [UInt8]
        /// Acknowledged events in it.
        let events: [Int]
        let sequences: Range<UInt64>
        let returns: Int
        var isBack = false
        /// Whether it was damaged, or lost once more.
        var isLost = false
    }

    private let disk: SimulatedDisk
    private let model: Model
    private let folder: String
    /// Events of which numbers no broker takes: they are dead letters, which are counted when all is over.
    private let refusedRests: [Int]
    private var segment: Segment?

    init(_ disk: SimulatedDisk, _ model: Model, folder: String, refusedRests: [Int]) {
        (self.disk, self.model, self.folder, self.refusedRests) = (disk, model, folder, refusedRests)
    }

    /// Before a life.
    func before(_ life: Int, of lives: Int, _ absence: RoundPlan.Absence?) {
        if let segment, !segment.isBack, life >= segment.returns || life == lives - 1 { self.putBack() }
        if let absence, self.segment == nil { self.takeAway(absence, life) }
    }

    private func takeAway(_ absence: RoundPlan.Absence, _ life: Int) {
        let all = self.logs(areSetAside: absence.isSetAside).flatMap { log in
            let segments = OnDisk(self.disk, log: log).segments.filter { $0.header != nil }
            return absence.isNewest ? segments.suffix(1) : segments.dropLast()
        }
        guard !all.isEmpty else { return }
        let chosen = all[Int(absence.number % UInt64(all.count))]
        guard let bytes = self.disk.contents(of: chosen.path), let base = chosen.header?.base else { return }
        let delivery = RoundPlan.Line.delivery(ofSideLog: chosen.path)
        let events = delivery.map { self.model.events(in: bytes, of: $0.line) } ?? self.model.events(in: bytes, from: base)
        self.segment = Segment(
            path: chosen.path, delivery: delivery, bytes: bytes, events: events, sequences: base..<self.model.end(in: bytes, from: base),
            returns: life + absence.lives)
        self.disk.lose(chosen.path)
        self.model.damaged()
        if absence.isNewest {
            if let delivery { self.model.newestAsideAway = delivery } else { self.model.isNewestLost = true }
        }
        self.model.coverage.hit(
            "\(absence.isNewest ? "the newest segment" : "a segment")\(delivery == nil ? "" : " of what is set aside") is away")
        self.model.tell?("\(chosen.path) is taken away, with \(events.count) events")
    }

    private func logs(areSetAside: Bool) -> [String] {
        guard areSetAside else { return ["\(self.folder)/spool"] }
        let prefix = "\(self.folder)/setaside/"
        let names = self.disk.files.filter { $0.hasPrefix(prefix) }.map { $0.dropFirst(prefix.count).prefix { $0 != "/" } }
        return Set(names).sorted().map { prefix + $0 }
    }

    private func putBack() {
        guard let segment, self.disk.put(segment.bytes, at: segment.path) else { return self.segment = nil }
        self.segment!.isBack = true
        self.model.newestAsideAway = nil
        if segment.delivery == nil {
            // Also events that nobody was answered for: in one that was not sealed no more than would fit.
            let end = OnDisk(self.disk, log: "\(self.folder)/spool").sealedEnd(segment.path)
            self.model.hadBack(segment.sequences, end: end ?? segment.sequences.lowerBound + UInt64(segment.bytes.count / 64))
        }
        self.model.hadBack = (segment.events, segment.delivery)
        self.model.coverage.hit("a segment\(segment.delivery == nil ? "" : " of what is set aside") that was away is back")
        self.model.tell?("\(segment.path) is put back")
    }

    // MARK: What others do to it

    func removed(_ file: String) {
        // Where it is, or in quarantine, by the same name or that with a number behind it.
        guard let name = self.segment?.path.split(separator: "/").last, let other = file.split(separator: "/").last else { return }
        if other.hasPrefix(name) { self.lose() }
    }

    /// - Parameter mark: in a folder that is gone with all that was in it.
    func removed(folder mark: String) {
        guard let segment, mark.hasSuffix("/mark") else { return }
        // A side log may have another name by now.
        let isRenamed = segment.delivery != nil && RoundPlan.Line.delivery(ofSideLog: mark) == segment.delivery
        if isRenamed || segment.path.hasPrefix(mark.dropLast("mark".count)) { self.lose() }
    }

    private func lose() {
        self.segment?.isLost = true
        self.model.hadBack = ([], nil)
    }

    // MARK: Checks

    /// After a life.
    func check() {
        guard let segment, segment.isBack, !segment.isLost else { return }
        let missing = segment.events.filter {
            self.model.isMissing($0, in: segment.delivery) && (segment.delivery != nil || self.model.isTold(ofSegment: $0))
        }
        guard !missing.isEmpty else { return }
        let which = segment.delivery == nil ? "a segment" : "a segment of what is set aside"
        self.model.coverage.hit("events of \(which) that is back stay told")
        let kept = Set(self.disk.files.filter(self.isKept).compactMap(self.disk.contents).flatMap(self.model.numbers))
        for event in missing where !kept.contains(event) && !self.refusedRests.contains(event % 50) {
            return self.model.violate(
                "event \(event) was told of as lost, its segment was put back as \(segment.path), and is neither there nor in quarantine")
        }
    }

    /// The log may have another name now. What came from a segment that is back may be set aside: it is not lost then, also where an alarm
    /// that tells no end goes on telling of it.
    private func isKept(_ file: String) -> Bool {
        guard let segment else { return false }
        guard segment.delivery != nil else {
            return file == segment.path || file.hasPrefix("\(self.folder)/spool/quarantine/")
                || file.hasPrefix("\(self.folder)/setaside/") && file.hasSuffix(".segment")
        }
        guard RoundPlan.Line.delivery(ofSideLog: file) == segment.delivery, file.hasPrefix("\(self.folder)/setaside/") else { return false }
        return file.contains("/quarantine/") || file.hasSuffix(segment.path.suffix(28))
    }
}

extension Model {
    /// Acknowledged events that stand in a segment's file, by their values. What it had when it was another segment has lower sequences.
    func events(in bytes: [UInt8], from base: UInt64) -> [Int] {
        self.numbers(in: bytes).filter { self.events[$0].fate == .acknowledged && self.events[$0].sequence >= base }.sorted()
    }

    /// The same in a log of what is set aside, where each segment is written once.
    func events(in bytes: [UInt8], of line: Int) -> [Int] {
        self.numbers(in: bytes).filter { self.events[$0].fate == .acknowledged && self.events[$0].line == line }.sorted()
    }

    /// One past the last of them.
    func end(in bytes: [UInt8], from base: UInt64) -> UInt64 {
        self.events(in: bytes, from: base).map { self.events[$0].sequence + 1 }.max() ?? base
    }

    /// Events whose values stand in a file. The first one's is zeros, which tell nothing.
    func numbers(in bytes: [UInt8]) -> Set<Int> {
        var found: Set<Int> = []
        bytes.withUnsafeBytes { bytes in
            for place in 0..<max(0, bytes.count - 7) {
                let word = bytes.loadUnaligned(fromByteOffset: place, as: UInt64.self)
                guard word > 0, word < UInt64(self.events.count) else { continue }
                let value = Self.value(of: Int(word), size: self.events[Int(word)].size)
                guard place + value.count <= bytes.count, memcmp(bytes.baseAddress! + place, value, value.count) == 0 else { continue }
                found.insert(Int(word))
            }
        }
        return found
    }

    /// A start tells of losses that were told of before, too: those alone count of what is back.
    ///
    /// - Parameter begun: where what may be lost begins, by alarms that don't say where it ends.
    func isStillTold(_ sequences: [Range<UInt64>], begun: [UInt64]) {
        self.losses.told += sequences.map { Losses.Part(sequences: $0, below: self.eventsBefore) }
        self.losses.told += begun.map {
            Losses.Part(sequences: $0..<UInt64.max, below: self.losses.begun[$0] ?? self.eventsBefore)
        }
    }

    /// At the end: what an alarm took of a segment that is back is still told, for nobody has acknowledged it.
    func checkStillTold() {
        let delivery = self.hadBack.delivery
        guard let damage = self.toldAtRest.first(where: { $0.delivery == delivery })?.damage,
            self.coverage.counts["alarm: it can't be read", default: 0] == 0
        else { return }
        let missing = self.hadBack.events.filter { self.isMissing($0, in: delivery) && (delivery != nil || self.isTold($0)) }
        let alarms = damage.alarms.compactMap { Losses.lostFrom($0.text) }
        let told = damage.missing.map(\.sequences) + alarms.map { $0..<UInt64.max }
        if let delivery {
            guard alarms.isEmpty, damage.missing.reduce(0, { $0 + $1.events }) < missing.count else { return }
            self.violate(
                "\(missing.count) events of a segment that is back were told of as lost, of the \(delivery), and are told of no more")
        } else if let event = missing.first(where: { event in !told.contains { $0.contains(self.events[event].sequence) } }) {
            self.violate("event \(event) of a segment that is back was told of as lost, and is told of no more")
        }
    }

    /// - Parameters:
    ///   - sequences: of acknowledged events.
    ///   - end: of all in the file.
    func hadBack(_ sequences: Range<UInt64>, end: UInt64) {
        let all = sequences.lowerBound..<max(sequences.upperBound, end)
        self.losses.hadBack(sequences, late: Losses.Part(sequences: all, below: self.events.count))
    }

    /// Whether an acknowledged event did not arrive, and should have.
    ///
    /// - Parameter delivery: none: in any of them.
    func isMissing(_ event: Int, in delivery: LineDelivery?) -> Bool {
        let known = self.events[event]
        let stages = delivery.map { [$0.stage] } ?? [.forward, .mirror]
        return !known.isGone && stages.contains { known[$0].map { !$0.isDelivered && $0.forgetting == .no } ?? false }
    }

    /// Whether an event is told of as lost, in the spool.
    func isTold(_ event: Int) -> Bool { self.losses.isTold(event, at: self.events[event].sequence) }

    /// The same, of its segment in the spool.
    func isTold(ofSegment event: Int) -> Bool { self.losses.isTold(event, self.events[event]) }
}
