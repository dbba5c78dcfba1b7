import ForebayCore
import ForebayTestKit
import Testing

@testable import ForebayDelivery

@Suite("Stale in flight: what producers still hold, by itself")
struct StaleInFlightTests {
    private static func batch(_ first: UInt64, acceptedAt: Int64) -> Batch {
        EventFactory.batch([EventFactory.Sample("t", value: "v")], spool: .none, first: first, acceptedAt: acceptedAt)
    }

    @Test("a batch is kept as long as anything in it is held, and told once for each")
    func kept() {
        var stale = StaleInFlight()
        let (one, other) = (Self.batch(0, acceptedAt: 7), Self.batch(9, acceptedAt: 8))
        stale.add(1, by: .main, in: one, 0)
        stale.add(2, by: .single, in: one, 0)
        stale.add(3, by: .main, in: other, 1)
        #expect(stale.tokens == [1, 2, 3] && stale.batches.count == 2 && stale.byteCount == one.byteCount + other.byteCount)
        #expect(stale.slots == [.main, .single] && stale.count(of: .main) == 2 && stale.count(of: .small) == 0)
        let report = stale.reported(1)
        #expect(report?.slot == .main && report?.acceptedAt == 7 && stale.batches.count == 2)
        #expect(stale.reported(1) == nil && !stale.contains(1) && stale.contains(2))
        #expect(stale.reported(2)?.slot == .single && stale.batches.map(\.first) == [9])
    }

    @Test("what a producer held goes with it, and nothing else")
    func released() {
        var stale = StaleInFlight()
        for token in 0..<6 as Range<UInt64> {
            stale.add(token, by: token % 2 == 0 ? .main : .small, in: Self.batch(token / 3, acceptedAt: 1), UInt32(token / 3))
        }
        #expect(stale.release(by: .main).sorted() == [0, 2, 4] && stale.tokens == [1, 3, 5] && stale.batches.count == 2)
        #expect(stale.release(by: .single).isEmpty)
        #expect(stale.release(by: .small).sorted() == [1, 3, 5] && stale.isEmpty && stale.batches.isEmpty)
    }
}
