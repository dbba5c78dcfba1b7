import ForebayCore
import ForebayTestKit
import Foundation
import Testing

@testable import ForebaySpool

/// Frames with sound checksums whose records are not what the frame says: what flipped in memory before it was summed up, or what another
/// program wrote. They are told of as lost and passed; those before and behind arrive.
@Suite("Spool: frames whose records do not fit them")
struct MalformedFrameTests {
    enum Fault: CaseIterable { case longRecord, shortRecord, noTopic, oneMore, oneLess, longTopic }

    /// A batch of three events, so broken.
    private static func batch(_ fault: Fault, route: RouteID) -> Batch {
        let sound = ForebaySpoolTests.batch(route, ["x", "yy", "zzz"])
        var bytes = sound.withUnsafeBytes { Array($0) }
        var count = sound.count
        switch fault {
        case .longRecord: bytes[0] += 200
        case .shortRecord: bytes[0] -= 1
        case .noTopic: bytes[5] = 0
        case .longTopic: bytes[5] = 255
        case .oneMore: count += 1
        case .oneLess: count -= 1
        }
        let slab = Slab(capacity: bytes.count, alignment: 8)
        bytes.withUnsafeBytes { slab.base.copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
        return Batch(
            lane: .spool(.none), origin: nil, first: 0, count: count, route: route, acceptedAt: 1000, slab: slab, range: 0..<bytes.count)
    }

    @Test("in the spool", arguments: Fault.allCases, [false, true])
    func spool(_ fault: Fault, isRestarted: Bool) async throws {
        let fixture = SpoolFixture()
        var spool = try fixture.open { $0.recentBytes = 0 }
        var cursor = try await spool.forward("a")
        try await spool.append("a", ["before"])
        let broken = Self.batch(fault, route: routeA)
        _ = try await spool.commit([Submission(batches: [broken], ack: AckToken { _ in })])
        try await spool.append("a", ["behind"])
        if isRestarted {
            await spool.close()
            spool = try fixture.open()
            cursor = try await spool.forward("a")
        }
        #expect(try spool.waiting(cursor) == ["before", "behind"])
        #expect(spool.missing.map(\.sequences) == [1..<1 + UInt64(broken.count)] && spool.missing[0].events == UInt64(broken.count))
        #expect(spool.missing[0].reason == "the records of a frame do not fit it")
        await spool.close()
    }

    @Test("set aside", arguments: Fault.allCases)
    func setAside(_ fault: Fault) async throws {
        let fixture = SetAsideFixture()
        let log = try fixture.open()
        try await log.append(new: [unit(1)], [aside(1, ["before"])])
        let broken = Self.batch(fault, route: routeA)
        try await log.append(new: [], [(1, broken)])
        try await log.append(new: [], [aside(1, ["behind"])])
        #expect(try log.scan([1: 0]).values(of: 1) == ["before", "behind"])
        #expect(log.missing.map(\.sequences) == [1..<1 + UInt64(broken.count)] && log.missing[0].unit == 1)
        await log.close()
    }
}
