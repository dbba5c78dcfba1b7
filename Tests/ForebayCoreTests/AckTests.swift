import ForebayTestKit
import Testing

@testable import ForebayCore

@Suite("Ack token and delivery waiters")
struct AckTests {
    private let receipt = DurableReceipt(
        origin: Array("0123456789ABCDEF".utf8).withUnsafeBytes { SpoolID(characters: $0) }, firstSequences: [7])

    private static func text(_ outcome: AckOutcome) -> String {
        switch outcome {
        case .durable(let receipt): "durable \(receipt.firstSequences)"
        case .refused(let error): "refused \(error.code)"
        case .unknown: "unknown"
        }
    }

    @Test("the first outcome counts, and no other follows")
    func once() {
        let outcomes = Happenings<String>()
        do {
            let token = AckToken { outcomes.add(Self.text($0)) }
            token.resolve(.durable(self.receipt))
            token.resolve(.refused(ForebayError(.spoolFull, recovery: .retry, "full")))
        }
        #expect(outcomes.all == ["durable [7]"])
    }

    @Test("a token that is dropped says that the outcome is unknown")
    func dropped() {
        let outcomes = Happenings<String>()
        do { _ = AckToken { outcomes.add(Self.text($0)) } }
        #expect(outcomes.all == ["unknown"])
    }

    @Test("a token that dies with its link says so too, and one that was taken from it does when the taker drops it")
    func diesWithLink() {
        let outcomes = Happenings<String>()
        do {
            let link = Link<Submission>(name: "test", bound: 100)
            for _ in 0..<2 { _ = link.offer(Submission(batches: [], ack: AckToken { outcomes.add(Self.text($0)) })) }
            _ = link.takeWaiting(upTo: 1)
            #expect(outcomes.count == 2)  // Submissions without bytes: both were taken, and dropped.
            _ = link.offer(Submission(batches: [], ack: AckToken { outcomes.add(Self.text($0)) }))
            #expect(outcomes.count == 2)
        }
        #expect(outcomes.all == ["unknown", "unknown", "unknown"])
    }

    @Test("a token that many race for is settled once")
    func race() async {
        for _ in 0..<200 {
            let outcomes = Happenings<String>()
            let token = AckToken { outcomes.add(Self.text($0)) }
            await withTaskGroup(of: Void.self) { group in
                group.addTask { token.resolve(.durable(self.receipt)) }
                group.addTask { token.resolve(.refused(ForebayError(.spoolFull, recovery: .retry, "full"))) }
            }
            #expect(outcomes.count == 1)
        }
    }

    @Test("a request is settled when its last event is, in its own order")
    func waiters() {
        let settled = Happenings<[Settlement]?>()
        let waiters = DeliveryWaiters(limit: 10)
        #expect(waiters.isEmpty)
        let ticket = waiters.expect(sequences: [5, 9, 6]) { settled.add($0) }
        #expect(ticket != nil && !waiters.isEmpty)
        waiters.settled(9, .record(partition: 1, offset: 90))
        waiters.settled(4, .record(partition: 1, offset: 40))  // Nobody waits for it.
        waiters.settled(9, .dead(code: "again", letter: 0))  // Delivered twice: the first counts.
        waiters.settled(6, .dead(code: "MSG_SIZE_TOO_LARGE", letter: 0))
        #expect(settled.count == 0)
        waiters.settled(5, .record(partition: 0, offset: 50))
        #expect(
            settled.all == [
                [.record(partition: 0, offset: 50), .record(partition: 1, offset: 90), .dead(code: "MSG_SIZE_TOO_LARGE", letter: 0)]
            ])
        #expect(waiters.isEmpty)
    }

    @Test("more than the limit are not waited for; forgetting makes room, and what is forgotten is not told")
    func limit() throws {
        let settled = Happenings<[Settlement]?>()
        let waiters = DeliveryWaiters(limit: 3)
        let ticket = try #require(waiters.expect(sequences: [1, 2]) { settled.add($0) })
        #expect(waiters.expect(sequences: [3, 4]) { settled.add($0) } == nil)
        waiters.settled(1, .dead(code: "x", letter: 0))
        waiters.forget(ticket)
        #expect(waiters.isEmpty)
        waiters.settled(2, .dead(code: "x", letter: 0))
        #expect(settled.count == 0)
        #expect(waiters.expect(sequences: [3, 4, 5]) { settled.add($0) } != nil)
    }

    @Test("a request of which one event is set aside is told at once, and nothing more")
    func setAside() {
        let settled = Happenings<[Settlement]?>()
        let waiters = DeliveryWaiters(limit: 10)
        _ = waiters.expect(sequences: [1, 2, 3]) { settled.add($0) }
        waiters.settled(1, .dead(code: "x", letter: 0))
        waiters.setAside(2)
        waiters.setAside(3)
        waiters.settled(3, .dead(code: "x", letter: 0))
        #expect(settled.all == [nil])
        #expect(waiters.isEmpty)
    }

    @Test("what the cluster refused is a refusal, what it took is none")
    func refusal() {
        #expect(Settlement.dead(code: "x", letter: 1).isRefusal && !Settlement.record(partition: 0, offset: 1).isRefusal)
    }

    @Test("what was given up is known to nobody, and a number that comes again belongs to whoever waits for it now")
    func forgotten() {
        let settled = Happenings<String>()
        let waiters = DeliveryWaiters(limit: 4)
        let first = waiters.expect(sequences: [1, 2]) { _ in settled.add("first") }
        // After a restart numbers may come again.
        let second = waiters.expect(sequences: [2, 3]) { _ in settled.add("second") }
        first.map(waiters.forget)
        #expect(!waiters.isEmpty)
        for number in [1, 2, 3] as [UInt64] {
            waiters.settled(Offset(lane: .spool(.none), number: number), .record(partition: 0, offset: 0))
        }
        #expect(settled.all == ["second"] && waiters.isEmpty && second != nil)
    }

    @Test("a number in another lane is another event: it settles nobody who waits for one of the spool")
    func otherLanes() {
        let settled = Happenings<[Settlement]?>()
        let waiters = DeliveryWaiters(limit: 10)
        _ = waiters.expect(sequences: [1]) { settled.add($0) }
        for lane in [Lane.unit(1), .unit(1, pass: 2), .partition(topic: "t", 0)] {
            waiters.settled(Offset(lane: lane, number: 1), .record(partition: 0, offset: 7))
            waiters.setAside(Offset(lane: lane, number: 1))
        }
        #expect(settled.count == 0 && !waiters.isEmpty)
        waiters.settled(Offset(lane: .spool(.none), number: 1), .record(partition: 0, offset: 8))
        #expect(settled.all == [[.record(partition: 0, offset: 8)]])
    }

    @Test("a request without events has nothing to wait for")
    func nothing() {
        let settled = Happenings<[Settlement]?>()
        let ticket = DeliveryWaiters(limit: 3).expect(sequences: []) { settled.add($0) }
        #expect(ticket != nil)
        #expect(settled.all == [[]])
    }
}
