import ForebayCore
import ForebayTestKit
import Glibc
import Testing

@testable import ForebaySpool

@Suite("Spool: a segment that a reader has open")
struct SegmentVisitTests {
    @Test("it tells once of what was done: the opening counts, and whether the device gave all")
    func work() async throws {
        let world = try SharedReadWorld(segmentSize: 16 << 20)
        try await world.fill(100)
        let segment = try #require(world.spool.view.read { $0.segments.first })
        func open(isPatient: Bool) throws -> SegmentVisit {
            try SegmentVisit(
                segment, from: segment.header.dataStart, world.disk, ReadCache(limit: 0), isPatient: isPatient, counter: nil)
        }
        var visit = try open(isPatient: true)
        var done = visit.takeWork()
        #expect(done.bytes == 16 << 10 && done.isWhole)
        guard case .frame = try visit.scanner.step() else { throw ForebayError.closed }
        done = visit.takeWork()
        #expect(done.bytes == visit.scanner.bytesRead && done.bytes > 0 && done.isWhole)
        world.fail { _, _ in EIO }
        _ = try visit.scanner.step()
        done = visit.takeWork()
        #expect(!done.isWhole)
        done = visit.takeWork()
        #expect(done == (0, true))
        var impatient = try open(isPatient: false)
        let error = #expect(throws: ForebayError.self) { _ = try impatient.scanner.step() }
        #expect(error?.isUnread == true)
        await world.spool.close()
    }

    @Test("it goes on in its segment, as far as that has grown, until it is over")
    func goesOn() async throws {
        let world = try SharedReadWorld(segmentSize: 2 << 20)
        try await world.fill(10)
        let early = try #require(world.spool.view.read { $0.segments.last })
        var visit = try SegmentVisit(
            early, from: early.header.dataStart, world.disk, ReadCache(limit: 0), isPatient: true, counter: nil)
        try await world.fill(10)
        let late = try #require(world.spool.view.read { $0.segments.last })
        #expect(late.number == early.number && late.dataEnd > early.dataEnd)
        var goesOn = visit.goesOn(in: late)
        #expect(goesOn && visit.scanner.limit == late.dataEnd && visit.segment.end == late.end)
        visit.isOver = true
        goesOn = visit.goesOn(in: late)
        #expect(!goesOn)
        visit.isOver = false
        try await world.fill(60)
        let next = try #require(world.spool.view.read { $0.segments.last })
        goesOn = visit.goesOn(in: next)
        #expect(next.number != late.number && !goesOn && visit.segment.number == late.number)
        await world.spool.close()
    }
}
