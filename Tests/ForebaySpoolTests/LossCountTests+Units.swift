import ForebayCore
import Testing

@testable import ForebaySpool

extension LossCountTests {
    /// A hole as `4..<10@2`, the segment's number behind it, and `!` where it is gone.
    private func hole(_ range: Range<UInt64>, _ segment: UInt64, isGone: Bool = true) -> MissingRange {
        MissingRange(sequences: range, segment: segment, position: 7, reason: "planted", isGone: isGone)
    }

    /// A table of the units `a`, `b` and so on: how far each is settled, and which of them have ended.
    private func units(_ settled: [Character: UInt64], ended: String, _ log: SpelledLog) throws -> UnitInventory {
        var table: [UInt8] = []
        for (letter, value) in settled.sorted(by: { $0.key < $1.key }) {
            for generation in [1, 2] as [UInt64] {
                var block = [UInt8](repeating: 0, count: 4096)
                block.withUnsafeMutableBytes { block in
                    let number = SpelledLog.route(letter).rawValue
                    Slot(
                        .unit, log: SpelledLog.id, generation: generation, value: value, ordinal: 0, owner: number,
                        isEnded: ended.contains(letter)
                    ).encode(to: block.baseAddress!)
                    UnitIdentity(unit(number, "topic-\(letter)")).encode(to: block.baseAddress!)
                }
                table += block
            }
        }
        return try UnitInventory(table: MemoryFile(table), log: SpelledLog.id, segments: log.segments, disk: SystemDisk())
    }

    /// `topic-b 2..<5 of 2 gone` for what a unit has lost, `4..<10 took 1` for a hole.
    private func text(_ missing: MissingRange) -> String {
        guard missing.unit != nil else { return "\(missing.sequences) took \(missing.events)" }
        #expect(missing.events == missing.sequences.upperBound - missing.sequences.lowerBound)
        #expect(missing.reason == (missing.isGone ? "a segment is gone" : "frames are missing"))
        return "\(missing.topic ?? "-") \(missing.sequences) of \(missing.segment)" + (missing.isGone ? " gone" : "")
    }

    @Test("of what is set aside a hole's events are told by their units; what may have been of others stays with the hole")
    func setAsideHoles() throws {
        let gone = ["a2 b2", "-a1 b3 c2", "b1 c1"], none: [Character: UInt64] = ["a": 0, "b": 0, "c": 0]
        for (texts, holes, settled, ended, expected) in [
            (gone, [hole(4..<10, 2)], none, "", ["topic-b 2..<5 of 2 gone", "topic-c 0..<2 of 2 gone", "4..<10 took 1"]),
            (
                gone, [hole(4..<10, 2)], ["a": 0, "b": 4, "c": 0], "",
                ["topic-b 4..<5 of 2 gone", "topic-c 0..<2 of 2 gone", "4..<10 took 1"]
            ),
            (
                gone, [hole(4..<10, 2)], ["a": 3, "b": 0, "c": 0], "",
                ["topic-b 2..<5 of 2 gone", "topic-c 0..<2 of 2 gone", "4..<10 took 0"]
            ),
            // Of one that has ended nothing is wanted.
            (gone, [hole(4..<10, 2)], none, "a", ["topic-b 2..<5 of 2 gone", "topic-c 0..<2 of 2 gone", "4..<10 took 0"]),
            (gone, [hole(4..<10, 2)], ["a": 0, "b": 0, "c": 1], "c", ["topic-b 2..<5 of 2 gone", "4..<10 took 1"]),
            (gone, [hole(4..<10, 2)], none, "abc", ["4..<10 took 0"]),
            // Frames that can't be read.
            (["a2 !b1 b1", "a1 b1"], [hole(2..<3, 1, isGone: false)], none, "", ["topic-b 0..<1 of 1", "2..<3 took 0"]),
            (["?a2 !b1 !c1 b1", "b1"], [hole(2..<4, 1, isGone: false)], none, "", ["topic-b 0..<1 of 1", "2..<4 took 1"]),
            (
                ["a2 !b1 !c1 b1", "b1 c1"], [hole(2..<4, 1, isGone: false)], none, "",
                ["topic-b 0..<1 of 1", "topic-c 0..<1 of 1", "2..<4 took 0"]
            ),
            // Two segments gone.
            (
                ["a1 b1", "-a1 b1", "a1", "-b1 c1", "b1"], [hole(2..<4, 2), hole(5..<7, 4)], none, "",
                ["topic-a 1..<2 of 2 gone", "topic-b 1..<3 of 4 gone", "2..<4 took 1", "5..<7 took 2"]
            ),
            // What was in front of the first segment may have been anyone's.
            (
                ["-a1 b1", "a1 !b1 c1", "b1 c1"], [hole(0..<2, 1), hole(3..<4, 2, isGone: false)], none, "",
                ["topic-a 0..<1 of 1 gone", "topic-b 0..<2 of 2", "0..<2 took 2", "3..<4 took 1"]
            ),
            // What lies beyond a segment's end is none of it.
            (["a1 b1", "a1 / b2", "-b1", "b1"], [hole(3..<4, 3)], none, "", ["topic-b 1..<2 of 3 gone", "3..<4 took 0"]),
        ] as [([String], [MissingRange], [Character: UInt64], String, [String])] {
            let log = try SpelledLog(texts)
            let lost = try log.count().lost(in: holes, self.units(settled, ended: ended, log)) { [$0] }
            #expect(lost.map(self.text) == expected, "\(texts), \(settled), ended: \(ended)")
        }
        // What was told of before was in another hole.
        let log = try SpelledLog(gone)
        let lost = try log.count().lost(in: [hole(4..<10, 2)], self.units(none, ended: "", log)) { $0.unit == 2 ? [] : [$0] }
        #expect(lost.last?.events == 4)
    }
}
