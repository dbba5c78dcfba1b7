import ForebayCore
import Testing

@testable import ForebaySpool

extension FormerNameTests {
    @Test("what is given up under a later name does not come back with a former one, whichever is a route again", arguments: 0..<4)
    func givenUp(way: Int) async throws {
        let fixture = SpoolFixture(segmentSize: 64 << 10)
        var spool = try fixture.open()
        // One that holds all segments.
        func start() async throws {
            await spool.close()
            spool = try fixture.open()
            _ = try await spool.forward("holds")
        }
        _ = try await spool.forward("holds")
        _ = try await spool.forward("a")
        try await spool.append("holds", ["h"])
        try await spool.append("a", ["a0", "a1"])
        for (name, former) in [("b", "a"), ("c", "b")] {
            try await start()
            _ = try await spool.forward(name, formerly: [former])
            try await spool.append(name, ["\(name)0"])
            try await spool.append(former, ["late"])
        }
        let last = try #require(spool.allCursors.first { $0.route == "c" })
        #expect(spool.lag(of: last) == 6)
        if way > 1 { try await start() }
        try await spool.giveUp(try #require(spool.allCursors.first { $0.route == "c" }))
        try await start()
        let back = way % 2 == 0 ? [("a", []), ("b", []), ("c", [])] : [("c", ["b", "a"]), ("a", []), ("b", ["c"])]
        for (name, formerly) in back {
            let cursor = try await spool.forward(name, formerly: formerly)
            #expect(try spool.lag(of: cursor) == 0 && spool.waiting(cursor).isEmpty, "\(name)")
        }
        try await spool.append("a", ["new"])
        let cursor = try await spool.forward("a")
        #expect(try spool.waiting(cursor) == ["new"])
        await spool.close()
    }
}
