import ForebayCore
import ForebayTestKit
import Testing

@testable import ForebayDelivery

@Suite("Outstanding after settling: what producers have still, by itself")
struct SettledOutstandingTests {
    private static func batch(_ first: UInt64, acceptedAt: Int64) -> Batch {
        EventFactory.batch([EventFactory.Sample("t", value: "v")], spool: .none, first: first, acceptedAt: acceptedAt)
    }

    @Test("a batch is kept as long as anything in it is held, and told once for each")
    func kept() {
        var outstanding = SettledOutstanding()
        let (one, other) = (Self.batch(0, acceptedAt: 7), Self.batch(9, acceptedAt: 8))
        outstanding.add(1, by: .main, in: one, 0)
        outstanding.add(2, by: .single, in: one, 0)
        outstanding.add(3, by: .main, in: other, 1)
        #expect(
            outstanding.tokens == [1, 2, 3] && outstanding.batches.count == 2 && outstanding.byteCount == one.byteCount + other.byteCount)
        #expect(outstanding.slots == [.main, .single] && outstanding.count(of: .main) == 2 && outstanding.count(of: .small) == 0)
        let report = outstanding.reported(1)
        #expect(report?.slot == .main && report?.acceptedAt == 7 && outstanding.batches.count == 2)
        #expect(outstanding.reported(1) == nil && !outstanding.contains(1) && outstanding.contains(2))
        #expect(outstanding.reported(2)?.slot == .single && outstanding.batches.map(\.first) == [9])
    }

    @Test("what a producer held goes with it, and nothing else")
    func released() {
        var outstanding = SettledOutstanding()
        for token in 0..<6 as Range<UInt64> {
            outstanding.add(token, by: token % 2 == 0 ? .main : .small, in: Self.batch(token / 3, acceptedAt: 1), UInt32(token / 3))
        }
        #expect(outstanding.release(by: .main).sorted() == [0, 2, 4] && outstanding.tokens == [1, 3, 5] && outstanding.batches.count == 2)
        #expect(outstanding.release(by: .single).isEmpty)
        #expect(outstanding.release(by: .small).sorted() == [1, 3, 5] && outstanding.isEmpty && outstanding.batches.isEmpty)
    }
}
