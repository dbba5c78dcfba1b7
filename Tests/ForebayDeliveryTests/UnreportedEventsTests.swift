import Testing

@testable import ForebayDelivery

@Suite("Set aside: events whose reports are still to come")
struct UnreportedEventsTests {
    private static func token(_ number: UInt64, _ way: DeliveryWay = .direct) -> UnreportedEvents.Token {
        UnreportedEvents.Token(way: way, number: number)
    }

    @Test("one that is reported before it is in the log is settled when it gets there, once", arguments: [true, false])
    func reportedFirst(isDelivered: Bool) {
        var events = UnreportedEvents()
        events.add(Self.token(7), of: 1, at: nil)
        #expect(events.sent(of: 1) == 1)
        let told = events.report(Self.token(7), isDelivered: isDelivered)
        #expect(told?.unit == 1 && told?.position == nil)
        #expect(events.sent(of: 1) == 0 && events.isEmpty == !isDelivered, "only what was delivered is remembered")
        #expect(events.report(Self.token(7), isDelivered: true) == nil, "it was told")
        #expect(events.place(Self.token(7), at: 5) == isDelivered && events.isEmpty)
        #expect(events.place(Self.token(7), at: 5) == false)
    }

    @Test("one that is in the log first is told with its position")
    func placedFirst() {
        var events = UnreportedEvents()
        events.add(Self.token(7), of: 1, at: nil)
        events.add(Self.token(7, .aside), of: 1, at: 9)
        #expect(events.place(Self.token(7), at: 5) == false && events.sent(of: 1) == 2 && events.count == 2)
        #expect([5, 6, 9, 10].map { events.sent(of: 1, below: $0) } == [0, 1, 1, 2] && events.sent(of: 2, below: 10) == 0)
        let told = [events.report(Self.token(7), isDelivered: true), events.report(Self.token(7, .aside), isDelivered: false)]
        #expect(told.map { $0?.unit } == [1, 1] && told.map { $0?.position } == [5, 9] && events.isEmpty && events.sent(of: 1) == 0)
        #expect(events.report(Self.token(8), isDelivered: true) == nil, "nobody's")
    }

    @Test("what is taken back counts no more, and is told of if it was delivered")
    func requeued() {
        var events = UnreportedEvents()
        for number: UInt64 in [7, 8] { events.add(Self.token(number), of: 1, at: nil) }
        _ = events.report(Self.token(8), isDelivered: true)
        #expect(events.requeue(Self.token(7)) == false && events.sent(of: 1) == 0)
        #expect(events.requeue(Self.token(8)) && events.isEmpty && events.requeue(Self.token(8)) == false)
    }

    @Test("what is on its way into another log counts apart, once, and tells where it stood")
    func appended() {
        var events = UnreportedEvents()
        for _ in 0..<2 { events.append(7, of: 1, at: 3) }
        events.add(Self.token(7, .aside), of: 1, at: 4)
        #expect(events.appended(of: 1) == 1 && events.sent(of: 1) == 1)
        let arrived = events.arrived(7)
        #expect(arrived?.unit == 1 && arrived?.position == 3 && events.appended(of: 1) == 0 && events.sent(of: 1) == 1)
        #expect(events.arrived(7) == nil)
    }

    @Test("with the end of a run that stage's are gone, and no other's")
    func ended() {
        var events = UnreportedEvents()
        for number: UInt64 in [7, 8] { events.add(Self.token(number, .aside), of: 1, at: nil) }
        _ = events.report(Self.token(8, .aside), isDelivered: true)
        events.append(9, of: 1, at: 3)
        events.add(Self.token(7), of: 1, at: 4)
        events.end(.aside)
        #expect(events.sent(of: 1) == 1 && events.appended(of: 1) == 0 && events.count == 1)
        events.end(.direct)
        #expect(events.sent(of: 1) == 0 && events.isEmpty)
    }
}
