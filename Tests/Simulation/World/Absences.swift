import ForebaySpool
import ForebayTestKit
import Glibc

/// Segments of the spool that somebody takes away while the node is down, and puts back under their names one or two lives later.
///
/// What such a one has arrives then, or is told of as lost to whom passed its place meanwhile, and stays told; and as long as it is, its
/// bytes are there for an operator: in `segments/`, or in `quarantine/`.
final class Absences: @unchecked Sendable {  // Safe because: one thread at a time runs the simulation.
    private struct Segment {
        let path: String
        let bytes: [UInt8]
        /// Acknowledged events in it.
        let events: [Int]
        let sequences: Range<UInt64>
        let returns: Int
        /// Whether cursors may have been set back while it was away.
        var isCut = false
        var isBack = false
        /// Whether it was damaged, or lost once more.
        var isLost = false
    }

    private let disk: SimulatedDisk
    private let model: Model
    private let folder: String
    private var segment: Segment?

    init(_ disk: SimulatedDisk, _ model: Model, folder: String) {
        (self.disk, self.model, self.folder) = (disk, model, folder)
    }

    /// Before a life.
    func before(_ life: Int, of lives: Int, _ absence: RoundPlan.Absence?) {
        if let segment, !segment.isBack, life >= segment.returns || life == lives - 1 { self.putBack() }
        if let absence, self.segment == nil { self.takeAway(absence, life) }
    }

    private func takeAway(_ absence: RoundPlan.Absence, _ life: Int) {
        let all = OnDisk(self.disk, spool: self.folder).segments.filter { $0.header != nil }
        let candidates = absence.isNewest ? all.suffix(1) : all.dropLast()
        guard !candidates.isEmpty else { return }
        let chosen = candidates[candidates.startIndex + Int(absence.number % UInt64(candidates.count))]
        guard let bytes = self.disk.contents(of: chosen.path), let base = chosen.header?.base else { return }
        let events = self.model.events(in: bytes, from: base)
        self.segment = Segment(
            path: chosen.path, bytes: bytes, events: events, sequences: base..<self.model.end(in: bytes, from: base),
            returns: life + absence.lives)
        self.disk.lose(chosen.path)
        self.model.damaged()
        if absence.isNewest { self.model.isNewestLost = true }
        self.model.coverage.hit(absence.isNewest ? "the newest segment is away" : "a segment is away")
        self.model.tell?("\(chosen.path) is taken away, with \(events.count) events of \(self.segment!.sequences)")
    }

    private func putBack() {
        guard let segment, self.disk.put(segment.bytes, at: segment.path) else { return self.segment = nil }
        self.segment!.isBack = true
        self.model.losses.hadBack(segment.sequences, mayBeLate: segment.isCut)
        self.model.hadBack = segment.events
        self.model.coverage.hit("a segment that was away is back")
        self.model.tell?("\(segment.path) is put back")
    }

    // MARK: What others do to it

    /// A power cut sets a cursor back that has passed its place: then it is read after newer ones, which come again.
    func powerCut() { self.segment?.isCut = true }

    func removed(_ file: String) {
        if file == self.segment?.path { self.segment?.isLost = true }
    }

    /// - Parameter mark: in a folder that is gone with all that was in it.
    func removed(folder mark: String) {
        if let segment, mark.hasSuffix("/mark"), segment.path.hasPrefix(mark.dropLast("mark".count)) { self.segment!.isLost = true }
    }

    // MARK: Checks

    /// After a life.
    func check() {
        guard let segment, segment.isBack, !segment.isLost else { return }
        let missing = segment.events.filter(self.model.isToldAndMissing)
        guard !missing.isEmpty else { return }
        self.model.coverage.hit("events of a segment that is back stay told")
        let quarantine = "\(self.folder)/quarantine/"
        let kept = Set(
            self.disk.files.filter { $0 == segment.path || $0.hasPrefix(quarantine) }.compactMap(self.disk.contents)
                .flatMap(self.model.numbers))
        for event in missing where !kept.contains(event) {
            return self.model.violate(
                "event \(event) was told of as lost, its segment was put back as \(segment.path), and is neither there nor in quarantine")
        }
    }
}

extension Model {
    /// Acknowledged events that stand in a segment's file, by their values. What it had when it was another segment has lower sequences.
    func events(in bytes: [UInt8], from base: UInt64) -> [Int] {
        self.numbers(in: bytes).filter { self.events[$0].fate == .acknowledged && self.events[$0].sequence >= base }.sorted()
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
    func isStillTold(_ sequences: [Range<UInt64>]) {
        self.losses.told += sequences.map { Losses.Part(sequences: $0, below: self.eventsBefore) }
    }

    /// At the end: what an alarm took of a segment that is back is still told, for nobody has acknowledged it.
    func checkStillTold(_ damage: SpoolDamage) {
        guard self.coverage.counts["alarm: it can't be read", default: 0] == 0 else { return }
        let told =
            damage.missing.filter { $0.unit == nil }.map(\.sequences)
            + damage.alarms.compactMap { Losses.lostFrom($0.text).map { $0..<UInt64.max } }
        for event in self.hadBack where self.isToldAndMissing(event) && !told.contains(where: { $0.contains(self.events[event].sequence) })
        {
            return self.violate("event \(event) of a segment that is back was told of as lost, and is told of no more")
        }
    }

    /// Whether an acknowledged event is told of as lost, and did not arrive.
    func isToldAndMissing(_ event: Int) -> Bool {
        let known = self.events[event]
        return !known.isDelivered && known.forgetting == .no && !known.isGone && self.losses.isTold(event, at: known.sequence)
    }
}
