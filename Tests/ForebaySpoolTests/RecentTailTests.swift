import ForebayCore
import Testing

@testable import ForebaySpool

@Suite("The recent tail")
struct RecentTailTests {
    private final class Watched {
        weak var slab: Slab?
        init(_ slab: Slab) { self.slab = slab }
    }

    @Test("it holds no more memory than its limit, and reads back what it holds")
    func bound() throws {
        var tail = RecentTail(limit: 10_000)
        var watched: [Watched] = []
        let spool = SpoolID.none
        let route = RouteID(name: "a")
        for number in 0..<1000 as Range<UInt64> {
            let slab = Slab(capacity: 1000)
            watched.append(Watched(slab))
            tail.append([
                Batch(lane: .spool(spool), origin: spool, first: number, count: 1, route: route, acceptedAt: 0, slab: slab, range: 0..<10)
            ])
            let alive = watched.count { $0.slab != nil }
            try #require(alive * 1000 <= 10_000, "after \(number + 1)")
            let oldest = number + 1 - UInt64(alive)
            let read = try #require(tail.read(from: oldest, routes: .all, upTo: 1 << 20))
            try #require(read.next == number + 1 && read.batches.map(\.first) == Array(oldest...number))
            try #require(oldest == 0 || tail.read(from: oldest - 1, routes: .all, upTo: 1) == nil, "that is on the disk only")
        }
    }
}
