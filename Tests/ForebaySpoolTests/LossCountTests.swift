import ForebayCore
import ForebayTestKit
import Glibc
import Testing

@testable import ForebaySpool

/// How much of a hole counts as lost, by what stands beside it.
@Suite("Spool: how many events a hole took")
struct LossCountTests {
    /// What a side says of each of the routes asked for: `a2 b5`.
    private func told(_ side: [RouteID: UInt64], of routes: [RouteID]) -> String {
        routes.compactMap { route in side[route].map { "\(Character(Unicode.Scalar(UInt8(route.rawValue) + 96)))\($0)" } }.joined(
            separator: " ")
    }

    @Test("what is known beside a hole is what stands next to it, as far as nothing else is missing")
    func sides() throws {
        for (log, hole, routes, before, isWhole, behind) in [
            (["a2 b2", "-a1 b3 c2", "b1 c1"], 4..<10, "abc", "a2 b2", true, "a2 b5 c2"),
            (["a1 b1", "a1 !b1 c1", "a1"], 3..<4, "abc", "a2 b1", true, "a2 b2 c0"),
            // Two in one segment: behind the first nothing is known of what it took.
            (["a2 b2", "a1 !b1 c1 !a1 b1"], 7..<8, "abc", "c1", false, "a4 b3 c1"),
            (["a2 b2", "a1 !b1 c1 !a1 b1"], 5..<6, "abc", "a3 b2", true, "c0"),
            (["a1 b1 !a1 !a1 !b1 c1"], 3..<4, "abc", "", false, ""),
            (["a1 b1", "a1 b1 !a1 c1"], 4..<5, "b", "b2", false, "b2"),
            // A footer tells of all that was in its segment; without one a frame that is lost may be anyone's.
            (["a1 !b1 c1", "-a1", "b1"], 3..<4, "abc", "a1 b1 c1", true, "a1 b1 c1"),
            (["?a1 !b1 c1", "-a1", "b1"], 3..<4, "abc", "", false, "a1 b1 c1"),
            (["?a1 b1", "-a1", "b1"], 2..<3, "abc", "a1 b1", true, "a1 b1 c0"),
            (["a1", "-a1", "b1 !b1 b1", "a1"], 1..<2, "a", "a1", true, "a2"),
            (["a1", "-a1", "b1 !b1 b1", "a1"], 1..<2, "ab", "a1", true, "b0"),
            (["a1", "-a1", "?b1 !a1 b1", "a1"], 1..<2, "a", "a1", true, ""),
            (["a1", "-a1", "?b2", "a1"], 1..<2, "a", "a1", true, "a2"),
            // Another segment that is gone, before and behind.
            (["a2 b2", "-a1", "b2", "-a1 b1 c1", "a1 b1 c1"], 7..<10, "abc", "b4", false, "a4 b5 c1"),
            (["a2 b2", "-a1", "b2", "-a1 b1 c1", "a1 b1 c1"], 4..<5, "abc", "a2 b2", true, "b2"),
            // What was cut to its header tells of nothing.
            (["a2 b2", "=c3", "-a1", "b1"], 7..<8, "abc", "", false, "a2 b2 c0"),
            (["a1", "-b1", "=c1", "b1"], 1..<2, "abc", "a1", true, ""),
            // The nearest counts, and the next where that does not know of a route.
            (["a1 c1", "-a1 c1", "a1", "c1"], 2..<4, "ac", "a1 c1", true, "a2 c2"),
            (["a1", "a2 b1", "-a1", "a1"], 4..<5, "ab", "a3 b1", false, "a4 b1"),
            (["a1", "a2 b1", "-a1", "a1"], 4..<5, "abc", "a3 b1", true, "a4 b1 c0"),
            (["c4", "b1", "a1", "-a1", "a1"], 6..<7, "abc", "a1 b1 c4", true, "a2 b1 c4"),
            // At the beginning, and at the end.
            (["!a1 b1"], 0..<1, "ab", "", false, "a1 b0"), (["-a1", "b1"], 0..<1, "ab", "", false, "a0 b0"),
            (["a1 !b1"], 1..<2, "ab", "a1", true, ""), (["a1", "-b1"], 1..<2, "ab", "a1", true, ""),
            (["a1 !b1", "a1"], 1..<2, "ab", "a1", true, "a1 b1"),
        ] as [([String], Range<UInt64>, String, String, Bool, String)] {
            let spelled = try SpelledLog(log)
            let asked = SpelledLog.routes(routes)
            let sides = try spelled.count().sides(of: hole, Set(asked))
            #expect(self.told(sides.before, of: asked) == before && sides.isWholeBefore == isWhole, "\(log), before \(hole): \(sides)")
            #expect(self.told(sides.behind, of: asked) == behind, "\(log), behind \(hole)")
        }
    }

    @Test("a route of which nothing stands behind the hole ends with its total, where all behind it is there and the total is known")
    func totals() throws {
        let (a, b, c) = (SpelledLog.route("a"), SpelledLog.route("b"), SpelledLog.route("c"))
        let log = try SpelledLog(["a1 c2", "-b1", "a1 / c1"])
        let count = log.count(totals: [a: 2, b: 7, c: 9])
        #expect(
            try self.told(count.sides(of: 3..<4, [a, b, c]).behind, of: [a, b, c]) == "a1 b7 c9", "what lies beyond its end is none of it")
        #expect(try self.told(count.sides(of: 3..<4, [a, b, c], byTotals: false).behind, of: [a, b, c]) == "a1")
        let longer = log.count(totals: [a: 2, b: 7, c: 9], durableEnd: 9)
        #expect(try self.told(longer.sides(of: 3..<4, [a, b, c]).behind, of: [a, b, c]) == "a1", "the newest is gone")
    }

    /// Cursors as `ab@7`: of these routes, at that sequence; with `?` for `@` nobody knows how many it has settled.
    private func parties(_ text: String, _ log: SpelledLog) -> [LossCount.Party] {
        text.split(separator: " ").map { word in
            let stage = word.split(separator: ":").count > 1 ? word.prefix { $0 != ":" } : "forward"
            let parts = word.split(separator: ":").last!.split { "@?".contains($0) }
            let routes = SpelledLog.routes(parts[0]), sequence = UInt64(parts[1])!
            return LossCount.Party(
                stage: stage, routes: routes, sequence: sequence,
                ordinal: word.contains("?") ? nil : routes.reduce(0) { $0 + log.count($1, before: sequence) })
        }
    }

    private func totals(_ log: SpelledLog) -> [RouteID: UInt64] {
        Dictionary(uniqueKeysWithValues: SpelledLog.routes("abc").map { ($0, log.count($0, before: log.end)) })
    }

    @Test("what cursors have passed of a hole was delivered, as far as it is known or must have been")
    func unsettled() throws {
        let middle = try SpelledLog(["a2 b2", "-a1 b3 c2", "b1 c1"]), newest = try SpelledLog(["a2 b2", "-a1 b3 c2"])
        // All before it was let go of.
        let oldest = try SpelledLog(["-a5 b5", "-a1 b2", "a1 b1"])
        for (log, hole, parties, lost) in [
            (middle, 4..<10, "", 6), (middle, 4..<10, "a@0", 6), (middle, 4..<10, "a@4", 6), (middle, 4..<10, "a@5", 5),
            (middle, 4..<10, "a?5", 6), (middle, 4..<10, "a@10", 5), (middle, 4..<10, "a?10", 5), (middle, 4..<10, "a@12", 5),
            (middle, 4..<10, "a?12", 5), (middle, 4..<10, "b@6", 5), (middle, 4..<10, "b@7", 4), (middle, 4..<10, "b@10", 3),
            (middle, 4..<10, "b@12", 3),
            // Nothing before it tells how many of `c` there were, but that all of them were others'.
            (middle, 4..<10, "c@9", 6), (middle, 4..<10, "c@12", 6), (middle, 4..<10, "a@4 b@4 c@12", 4),
            (middle, 4..<10, "a@0 b@0 c@12", 4), (middle, 4..<10, "a@12 b@12 c@12", 0), (middle, 4..<10, "a@12 b@0 c@12", 3),
            (middle, 4..<10, "ab@10", 2), (middle, 4..<10, "ab?12", 2), (middle, 4..<10, "ac@10", 5), (middle, 4..<10, "ab@0 c@12", 4),
            // Each stage has to.
            (middle, 4..<10, "a@12 b@12 c@12 mirror:b@4", 6), (middle, 4..<10, "a@12 mirror:b@12", 5),
            (newest, 4..<10, "a@10", 5), (newest, 4..<10, "a?10", 6), (newest, 4..<10, "a@10 b@10", 2), (newest, 4..<10, "b@7", 4),
            (oldest, 10..<13, "b@13", 3), (oldest, 10..<13, "a@10 b@13", 1), (oldest, 10..<13, "a@3 b@13", 3),
            (oldest, 10..<13, "a@5 b@13", 1), (oldest, 10..<13, "a?10 b@13", 3), (oldest, 10..<13, "a@13 b@13", 0),
            (oldest, 10..<13, "a@15 b@15", 0), (oldest, 10..<13, "a@14 b@10", 2), (oldest, 10..<13, "ab@13", 0),
            (oldest, 10..<13, "ab@12", 1),
        ] as [(SpelledLog, Range<UInt64>, String, UInt64)] {
            let count = log.count(totals: self.totals(log)), parties = self.parties(parties, log)
            #expect(try count.unsettled(hole, parties) == lost, "\(parties)")
            #expect(count.unsettledOrAll(hole, parties) == lost)
        }
        let disk = FaultDisk()
        disk.fail { call, _ in call == .open ? EIO : nil }
        #expect(middle.count(on: disk).unsettledOrAll(4..<10, self.parties("b@12", middle)) == 6, "what can't be told counts as lost")
    }

    @Test("whatever the log: no loss is told too small, and with one hole it is told to the event", arguments: 0..<50)
    func anyLog(seed: UInt64) throws {
        var generator = SplitMix(seed: seed)
        func frames() -> [String] {
            (0..<Int.random(in: 1...4, using: &generator)).map { _ in
                "\("abc".randomElement(using: &generator)!)\(Int.random(in: 1...3, using: &generator))"
            }
        }
        var texts = [["a1", "b1", "c1"]] + (0..<5).map { _ in frames() }
        let holes = Int.random(in: 1...3, using: &generator)
        for _ in 0..<holes {
            let segment = Int.random(in: 1..<texts.count - 1, using: &generator)
            if Bool.random(using: &generator) {
                texts[segment] = texts[segment].map { "!" + $0.drop { $0 == "!" } }
            } else {
                let frame = texts[segment].indices.randomElement(using: &generator)!
                texts[segment][frame] = "!" + texts[segment][frame].drop { $0 == "!" }
            }
        }
        let log = try SpelledLog(
            texts.map { frames in (frames.allSatisfy { $0.hasPrefix("!") } ? "-" : "") + frames.joined(separator: " ") })
        var lost: [Range<UInt64>] = [], place: UInt64 = 0
        for word in texts.joined() {
            let end = place + UInt64(word.filter(\.isNumber))!
            if word.hasPrefix("!") { lost.append(lost.last?.upperBound == place ? lost.removeLast().lowerBound..<end : place..<end) }
            place = end
        }
        let places = "abc".map { ($0, UInt64.random(in: 0...log.end, using: &generator)) }
        let count = log.count(totals: self.totals(log))
        for hole in lost {
            let truth = hole.count { sequence in places.contains { SpelledLog.route($0.0) == log.events[Int(sequence)] && $0.1 <= sequence }
            }
            let told = try count.unsettled(hole, self.parties(places.map { "\($0.0)@\($0.1)" }.joined(separator: " "), log))
            #expect(told >= truth && told <= hole.count && (told == truth || lost.count > 1), "\(texts), \(places): \(hole)")
        }
    }

    @Test("a hole that is met in its middle is counted from its beginning, where a segment that is gone took it")
    func whole() throws {
        let count = try SpelledLog(["a2", "a2", "-a4", "a1"]).count()
        func hole(_ range: Range<UInt64>, isGone: Bool = true) -> MissingRange {
            MissingRange(sequences: range, segment: 3, position: 0, reason: "r", events: 1, isGone: isGone)
        }
        for (met, first) in [(4..<8, 4), (6..<8, 4), (7..<8, 4), (3..<8, 2)] as [(Range<UInt64>, UInt64)] {
            let whole = count.whole(hole(met))
            #expect(whole.sequences == first..<8 && whole.events == 8 - first, "\(met)")
        }
        #expect(count.whole(hole(6..<8, isGone: false)) == hole(6..<8, isGone: false), "frames that can't be read are met one by one")
        #expect(count.whole(hole(1..<8)) == hole(1..<8), "nothing stands before it")
    }
}
