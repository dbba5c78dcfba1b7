import ForebayCore
import ForebayTestKit
import Testing

@testable import ForebaySpool

/// What is decided without a disk: frames of a group, tables of routes, the newest batches, filters, what a cursor holds.
@Suite("Spool: plans and tables")
struct PlanTests {
    private let c = RouteID(name: "c")

    private func plan(_ submissions: [[Batch]]) -> GroupPlan {
        GroupPlan(submissions.map { Submission(batches: $0, ack: AckToken { _ in }) })
    }

    /// One event whose record is so large.
    private func event(_ route: RouteID, size: Int) -> Batch {
        let batch = batch(route, [String(repeating: "v", count: size - 16 - 5)])
        #expect(batch.byteCount == size)
        return batch
    }

    @Test("frames are by route, in the order in which the routes come, and each batch finds its own place")
    func frames() {
        let plan = self.plan([
            [batch(routeA, ["a0", "a1"]), batch(routeB, ["b0"])], [], [batch(routeB, ["b1"]), batch(c, ["c0"]), batch(routeA, ["a2"])],
            [batch(routeA, ["a3"]), batch(routeA, ["a4"])],
        ])
        #expect(plan.eventCount == 8)
        #expect(plan.frames.map(\.route) == [routeA, routeB, self.c] && plan.frames.map(\.count) == [5, 2, 1])
        #expect(plan.frames.map(\.first) == [0, 5, 7] && plan.frames.map { $0.pieces.count } == [4, 2, 1])
        #expect(plan.frames.map(\.length) == plan.frames.map { $0.pieces.reduce(0) { $0 + $1.range.count } })
        #expect(plan.places == [[0, 5], [], [6, 7, 2], [3, 4]])
        #expect(plan.size == 4096)
        #expect(plan.ordinals(from: [routeA: 4, self.c: 9, RouteID(name: "other"): 1]) == [routeA: 4, self.c: 9])
        let headers = plan.frames.map {
            FrameHeader(
                length: $0.length, count: $0.count, flags: [], base: 100 + $0.first, route: $0.route, ordinal: 0, durable: 0, acceptedAt: 0)
        }
        let batches = plan.batches(
            headers,
            of: SegmentHeader(
                log: spoolID("0123456789ABCDEF"), origin: spoolID("FEDCBA9876543210"), number: 1, base: 0, salt: 1, madeAt: 0))
        #expect(batches.map(\.first) == [100, 102, 103, 104, 105, 106, 107] && batches.map(\.count) == [2, 1, 1, 1, 1, 1, 1])
        #expect(batches.map(\.route) == [routeA, routeA, routeA, routeA, routeB, routeB, self.c])
        #expect(
            batches.allSatisfy {
                $0.lane == .spool(spoolID("0123456789ABCDEF")) && $0.origin == spoolID("FEDCBA9876543210") && $0.acceptedAt == 1000
                    && $0.isWellFormed
            })
        #expect(self.plan([]).size == 0 && self.plan([[]]).eventCount == 0)
    }

    @Test("a group's size is that of its frames, each to a multiple of 8, in whole blocks")
    func size() {
        for (payload, size) in [(22, 4096), (4096 - 64, 4096), (4096 - 63, 8192), (4096 - 64 - 7, 4096), (8192 - 64, 8192)] {
            #expect(self.plan([[self.event(routeA, size: payload)]]).size == size, "\(payload)")
        }
        // Two frames of 64 + 24 each for 22 bytes of payload, and one that fills the rest.
        let rest = 4096 - 2 * 88 - 64
        #expect(self.plan([[self.event(routeA, size: 22), self.event(routeB, size: 22), self.event(self.c, size: rest)]]).size == 4096)
        #expect(self.plan([[self.event(routeA, size: 22), self.event(routeB, size: 22), self.event(self.c, size: rest + 1)]]).size == 8192)
    }

    @Test("a frame holds a MiB, to the byte, unless one event is larger; batches are cut between events")
    func bounds() {
        let mib = 1 << 20
        func lengths(_ batches: [Batch]) -> [Int] { self.plan([batches]).frames.map(\.length) }
        #expect(lengths([self.event(routeA, size: mib / 2), self.event(routeA, size: mib / 2)]) == [mib])
        #expect(lengths([self.event(routeA, size: mib / 2), self.event(routeA, size: mib / 2 + 1)]) == [mib / 2, mib / 2 + 1])
        #expect(lengths([self.event(routeA, size: 3 * mib)]) == [3 * mib])
        #expect(
            lengths([self.event(routeA, size: 30), self.event(routeA, size: 3 * mib), self.event(routeA, size: 40)]) == [30, 3 * mib, 40])
        func joined(_ sizes: [Int]) -> Batch {
            var builder = BatchBuilder()
            for size in sizes { self.event(routeA, size: size).withUnsafeBytes { builder.append(record: $0) } }
            return builder.finish(route: routeA, acceptedAt: 5)!
        }
        #expect(lengths([joined([mib / 2, mib / 2])]) == [mib])
        #expect(lengths([joined([mib / 2, mib / 2, 22])]) == [mib, 22])
        #expect(lengths([joined([mib / 2, mib / 2 + 1, 22])]) == [mib / 2, mib / 2 + 23])
        #expect(lengths([joined([2 * mib, 22, 2 * mib])]) == [2 * mib, 22, 2 * mib])
        let plan = self.plan([[batch(routeA, ["x"])], [joined([mib - 100, 60, 60, 60])], [batch(routeA, ["y"])]])
        #expect(plan.frames.map(\.count) == [3, 3] && plan.frames.map(\.first) == [0, 3] && plan.places == [[0], [1], [5]])
        #expect(plan.frames.map { $0.pieces.map(\.count) } == [[1, 2], [2, 1]], "what fits goes along")
        let cut = plan.frames.flatMap(\.pieces)[1...2]
        #expect(cut.first?.range.upperBound == cut.last?.range.lowerBound)
    }

    @Test("a table of routes is sorted, finds each, and is only raised")
    func routeTable() {
        var table = RouteTable()
        var model: [RouteID: UInt64] = [:]
        var generator = SplitMix(seed: 5)
        for _ in 0..<400 {
            let route = RouteID(rawValue: UInt64.random(in: 0..<60, using: &generator) * 3)
            let ordinal = UInt64.random(in: 0..<50, using: &generator)
            table.raise(route, to: ordinal)
            model[route] = max(model[route] ?? 0, ordinal)
            #expect(table == RouteTable(model))
        }
        #expect(table.entries.map(\.route.rawValue) == model.keys.map(\.rawValue).sorted())
        for number in 0..<190 as Range<UInt64> { #expect(table[RouteID(rawValue: number)] == model[RouteID(rawValue: number)]) }
        #expect(RouteTable()[routeA] == nil && RouteTable([:]).entries.isEmpty)
    }

    @Test("who wants what, and of which segments")
    func filters() {
        let (one, several, none) = (RouteFilter([routeA]), RouteFilter([routeA, routeB]), RouteFilter([]))
        if case .one(routeA) = one {} else { Issue.record("one route is one") }
        #expect([routeA, routeB, self.c].map { one.takes($0) } == [true, false, false])
        #expect([routeA, routeB, self.c].map { several.takes($0) } == [true, true, false])
        #expect(!none.takes(routeA) && RouteFilter.all.takes(self.c))
        for (routes, expected) in [
            ([], [false, false, true]), ([routeA], [true, true, true]), ([routeB], [false, true, true]), ([self.c], [false, false, true]),
        ]
            as [([RouteID], [Bool])]
        {
            let table = RouteTable(Dictionary(uniqueKeysWithValues: routes.map { ($0, 1) }))
            #expect([one, several, .all].map { $0.meets(table) } == expected)
        }
        #expect([one, several, none, .all].allSatisfy { $0.meets(nil) }, "what is not known may hold some")
    }

    @Test("what a cursor holds: segments that it has not passed; those that nobody else needs go with it")
    func held() {
        func segment(_ number: UInt64, _ range: Range<UInt64>, _ size: Int) -> SegmentInfo {
            var info = SegmentInfo(
                header: SegmentHeader(log: .none, origin: .none, number: number, base: range.lowerBound, salt: 1, madeAt: 0), path: "",
                end: range.upperBound,
                dataEnd: 0, size: size)
            info.isActive = number == 4
            return info
        }
        let segments = [segment(1, 0..<10, 1), segment(2, 10..<20, 10), segment(3, 20..<30, 100), segment(4, 30..<35, 1000)]
        for (sequence, others, bytes, alone) in [
            (0, [], 1111, 111), (9, [], 1111, 111), (10, [], 1110, 110), (10, [20], 1110, 10), (10, [19], 1110, 0),
            (10, [30, 20], 1110, 10),
            (29, [35], 1100, 100), (30, [35], 1000, 0), (35, [], 0, 0), (0, [0], 1111, 0),
        ] as [(UInt64, [UInt64], Int, Int)] {
            let held = HeldSegments(segments, sequence: sequence, others: others)
            #expect(held.bytes == bytes && held.bytesAlone == alone, "\(sequence), others at \(others)")
        }
        let closed = HeldSegments(Array(segments.prefix(3)), sequence: 0, others: [])
        #expect(closed.bytes == 111 && closed.bytesAlone == 11, "the newest stays, also where nobody writes")
    }

    @Test("a segment knows where to look for a sequence, and when nothing but its ends is left of it")
    func segmentInfo() {
        func info(version: UInt32 = 2, dataEnd: Int, size: Int, hasFooter: Bool = false, isActive: Bool = false) -> SegmentInfo {
            var header = SegmentHeader(log: .none, origin: .none, number: 1, base: 5, salt: 1, madeAt: 0)
            header.version = version
            var info = SegmentInfo(header: header, path: "", end: 9, dataEnd: dataEnd, size: size)
            (info.hasFooter, info.isActive) = (hasFooter, isActive)
            return info
        }
        #expect(info(dataEnd: 8192, size: 12_288, hasFooter: true).isHusk && !info(dataEnd: 8193, size: 12_288, hasFooter: true).isHusk)
        #expect(!info(dataEnd: 8192, size: 8192).isHusk && !info(dataEnd: 8192, size: 12_288, hasFooter: true, isActive: true).isHusk)
        #expect(info(version: 1, dataEnd: 4096, size: 4096).isHusk && !info(version: 1, dataEnd: 4096, size: 8192).isHusk)
        #expect(info(version: 1, dataEnd: 4096, size: 8192, hasFooter: true).isHusk)
        var indexed = info(dataEnd: 50_000, size: 50_000)
        #expect(indexed.position(of: 7) == 8192)
        indexed.index = [(5, 8192), (7, 20_480), (9, 40_960)].map { SegmentFooter.IndexEntry(sequence: $0.0, position: $0.1) }
        #expect([0, 5, 6, 7, 8, 9, 10].map { indexed.position(of: $0) } == [8192, 8192, 8192, 20_480, 20_480, 40_960, 40_960])
    }

    @Test("holes: one covers another, or goes on where it ended")
    func holes() {
        func hole(_ range: Range<UInt64>, segment: UInt64 = 1, reason: String = "r", unit: UInt64? = nil, at: Int64 = 0) -> MissingRange {
            var hole = MissingRange(sequences: range, segment: segment, position: 9, reason: reason, unit: unit)
            hole.noticedAt = at
            return hole
        }
        for (other, left) in [
            (5..<10, []), (6..<9, []), (4..<10, [4..<5]), (5..<11, [10..<11]), (4..<11, [4..<5, 10..<11]), (0..<5, [0..<5]),
            (10..<12, [10..<12]),
        ] as [(Range<UInt64>, [Range<UInt64>])] {
            #expect(hole(other, segment: 7, reason: "other").parts(without: [hole(5..<10)]).map(\.sequences) == left)
            #expect(hole(other, unit: 3).parts(without: [hole(5..<10)]) == [hole(other, unit: 3)], "another unit's positions")
        }
        #expect(hole(0..<20).parts(without: [hole(3..<5), hole(1..<4), hole(18..<30)]).map(\.sequences) == [0..<1, 5..<18])
        let joined = hole(5..<10, unit: 2, at: 77).joined(with: hole(10..<12, unit: 2, at: 99))
        #expect(joined == hole(5..<12, unit: 2, at: 77) && joined?.position == 9)
        #expect(hole(5..<10).joined(with: hole(11..<12)) == nil && hole(5..<10).joined(with: hole(9..<12)) == nil)
        #expect(hole(5..<10).joined(with: hole(10..<12, segment: 2)) == nil && hole(5..<10).joined(with: hole(10..<12, reason: "x")) == nil)
        #expect(hole(5..<10).joined(with: hole(10..<12, unit: 1)) == nil)
    }

    @Test("texts are cut to so many bytes, and never inside a character")
    func cut() {
        for (text, limit, kept) in [
            ("abc", 3, "abc"), ("abcd", 3, "abc"), ("äb", 2, "ä"), ("aäb", 2, "a"), ("aäb", 3, "aä"), ("a€b", 3, "a"), ("a€b", 4, "a€"),
            ("a\u{1F600}b", 4, "a"),
            ("a\u{1F600}b", 5, "a\u{1F600}"), ("€", 1, ""), ("", 0, ""), ("x", 0, ""),
        ] { #expect(text.cut(to: limit) == kept, "\(text) to \(limit)") }
    }

    // MARK: The newest batches

    private func recent(
        _ first: UInt64, _ count: Int, _ route: RouteID = routeA, capacity: Int = 1000, in slab: Slab? = nil, from start: Int = 0
    ) -> Batch {
        Batch(
            lane: .spool(.none), origin: nil, first: first, count: count, route: route, acceptedAt: 0,
            slab: slab ?? Slab(capacity: capacity),
            range: start..<start + 10)
    }

    @Test("the newest batches are read from any place in them, by route and by bytes")
    func recentTail() {
        var tail = RecentTail(limit: 1 << 20)
        #expect(tail.read(from: 0, routes: .all, upTo: 1) == nil)
        tail.append([self.recent(10, 3), self.recent(13, 1, routeB)])
        tail.append([self.recent(14, 2, routeB), self.recent(16, 4)])
        func read(_ from: UInt64, _ routes: RouteFilter = .all, upTo bytes: Int = 1000) -> String {
            guard let found = tail.read(from: from, routes: routes, upTo: bytes) else { return "none" }
            return found.batches.map { "\($0.first)" }.joined(separator: " ") + " to \(found.next)"
        }
        #expect(read(9) == "none" && read(10) == "10 13 14 16 to 20" && read(11) == "10 13 14 16 to 20" && read(12) == "10 13 14 16 to 20")
        #expect(
            read(13) == "13 14 16 to 20" && read(14) == "14 16 to 20" && read(19) == "16 to 20" && read(20) == " to 20"
                && read(25) == " to 25")
        #expect(read(10, .one(routeA)) == "10 16 to 20" && read(10, .one(routeB)) == "13 14 to 20" && read(13, .one(routeA)) == "16 to 20")
        #expect(read(10, upTo: 1) == "10 to 13" && read(10, upTo: 10) == "10 to 13" && read(10, upTo: 11) == "10 13 to 14")
        #expect(read(10, .one(routeB), upTo: 1) == "13 to 14" && read(10, upTo: 0) == " to 10")
        var none = RecentTail(limit: 0)
        none.append([self.recent(1, 1)])
        #expect(none.read(from: 1, routes: .all, upTo: 1) == nil)
    }

    @Test("what is held is counted by slab, once, and the newest group is never let go of")
    func recentBound() {
        // A slab of 1000 bytes with its batch weighs 1256.
        for (limit, first) in [(1256 * 3, 2), (1256 * 3 - 1, 3), (1256 * 4, 1), (1256, 4), (1, 4)] as [(Int, UInt64)] {
            var tail = RecentTail(limit: limit)
            for number in 0..<5 as Range<UInt64> { tail.append([self.recent(number, 1)]) }
            #expect(
                tail.read(from: first, routes: .all, upTo: 1) != nil && tail.read(from: first - 1, routes: .all, upTo: 1) == nil,
                "limit \(limit)")
        }
        // Three pieces of one slab weigh one slab and three times the rest.
        let slab = Slab(capacity: 1000)
        for (limit, isHeld) in [(1000 + 3 * 256 + 1256, true), (1000 + 3 * 256 + 1255, false)] {
            var tail = RecentTail(limit: limit)
            tail.append((0..<3).map { self.recent(UInt64($0), 1, in: slab, from: 10 * $0) })
            tail.append([self.recent(3, 1)])
            #expect((tail.read(from: 0, routes: .all, upTo: 1) != nil) == isHeld)
        }
        var large = RecentTail(limit: 10)
        large.append([self.recent(0, 1), self.recent(1, 1), self.recent(2, 1)])
        #expect(large.read(from: 0, routes: .all, upTo: 1) != nil, "the newest group, however large")
        large.append([self.recent(3, 1), self.recent(4, 1)])
        #expect(large.read(from: 2, routes: .all, upTo: 1) == nil && large.read(from: 3, routes: .all, upTo: 1)?.next == 4)
    }

    @Test("over thousands of groups the newest are found where they are")
    func recentLong() {
        var tail = RecentTail(limit: 1256 * 5)
        for number in 0..<2000 as Range<UInt64> {
            tail.append([self.recent(number, 1)])
            let oldest = number < 4 ? 0 : number - 4
            let found = tail.read(from: oldest, routes: .all, upTo: 1000)
            #expect(found?.next == number + 1 && found?.batches.map(\.first) == Array(oldest...number))
            if oldest > 0 { #expect(tail.read(from: oldest - 1, routes: .all, upTo: 1) == nil) }
        }
    }

    @Test("of what was let go of no place is kept for long, however many are held", arguments: [5, 600])
    func recentPlaces(held: Int) throws {
        var tail = RecentTail(limit: 1256 * held)
        for number in 0..<3000 as Range<UInt64> { tail.append([self.recent(number, 1)]) }
        let places = try #require(Mirror(reflecting: tail).children.first { $0.label == "batches" }?.value as? [Batch?])
        #expect(places.count { $0 != nil } == held && places.count <= 2 * held + 512)
    }

    @Test("few bytes of a large slab are copied out of it; many are not")
    func lean() {
        let slab = Slab(capacity: 4000)
        for place in 0..<4000 { slab.base.storeBytes(of: UInt8(truncatingIfNeeded: place), toByteOffset: place, as: UInt8.self) }
        for (range, isCopied) in [(100..<1099, true), (100..<1100, false), (0..<4000, false), (50..<50, true), (3999..<4000, true)] {
            let (kept, place) = slab.lean(range)
            #expect((kept !== slab) == isCopied && place.count == range.count && (isCopied ? place.lowerBound == 0 : place == range))
            for offset in 0..<place.count {
                #expect(
                    kept.base.load(fromByteOffset: place.lowerBound + offset, as: UInt8.self)
                        == UInt8(truncatingIfNeeded: range.lowerBound + offset))
            }
        }
    }
}
