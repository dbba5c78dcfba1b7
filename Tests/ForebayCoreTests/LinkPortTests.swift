import ForebayTestKit
import Synchronization
import Testing

@testable import ForebayCore

@Suite("Link port")
struct LinkPortTests {
    @Test("it takes while a consumer is connected, and is full while none is")
    func connecting() {
        let rooms = Happenings<Void>()
        let port = LinkPort<Load>(name: "port", bound: 2, room: { rooms.add(()) })
        #expect(port.name == "port")
        #expect(port.offer(Load(1)) == .full)
        let first = port.connect()
        #expect(first.name == "port" && rooms.count == 1, "a new link is room")
        #expect([1, 2, 3].map { port.offer(Load($0)) } == [.accepted, .accepted, .full])
        #expect(first.takeWaiting(upTo: 1).map(\.name) == [1])
        #expect(rooms.count == 2, "and so is what was taken from one that was full")

        let second = port.connect()
        #expect(rooms.count == 3)
        #expect(first.depth == (0, 0), "what waited is dropped")
        #expect(first.offer(Load(4)) == .finished)
        #expect(port.offer(Load(5)) == .accepted)
        #expect(second.drainedNames() == [5])

        port.disconnect(first)
        #expect(port.offer(Load(6)) == .accepted, "the one before ended, not this one")
        port.disconnect(second)
        #expect(second.depth == (0, 0) && second.offer(Load(7)) == .finished)
        #expect(port.offer(Load(8)) == .full)
    }

    @Test("a link that has ended by itself is full: the next one takes")
    func finished() {
        let port = LinkPort<Load>(name: "port", bound: 2)
        let link = port.connect()
        link.finish()
        #expect(port.offer(Load(1)) == .full)
        #expect(port.connect().depth.count == 0 && port.offer(Load(1)) == .accepted)
    }

    @Test("who waits for what was dropped is told, by a new link and by a consumer that ends")
    func told() {
        let outcomes = Happenings<String>()
        let port = LinkPort<Submission>(name: "port", bound: 100)
        func offer(_ name: String) {
            let answer = port.offer(Submission(batches: [], ack: AckToken { if case .unknown = $0 { outcomes.add(name) } }))
            #expect(answer == .accepted)
        }
        let first = port.connect()
        offer("first")
        #expect(outcomes.count == 0)
        let second = port.connect()
        #expect(outcomes.all == ["first"])
        offer("second")
        port.disconnect(second)
        #expect(outcomes.all == ["first", "second"])
        withExtendedLifetime((first, second)) {}
    }

    @Test("with a new link there is room when what waited in the old one is dropped, and not before")
    func dropsFirst() {
        let old = Mutex<Link<Load>?>(nil), waiting = Happenings<Int>()
        let port = LinkPort<Load>(name: "port", bound: 2, room: { if let link = old.withLock({ $0 }) { waiting.add(link.depth.count) } })
        let link = port.connect()
        #expect(port.offer(Load(1)) == .accepted)
        old.withLock { $0 = link }
        #expect(port.connect().depth.count == 0 && waiting.all == [0])
    }

    @Test("an end that comes when a refused producer waits for room is a signal, and the producer finds the next link")
    func signalledByEnd() {
        let rooms = Happenings<Void>()
        let port = LinkPort<Load>(name: "port", bound: 1, room: { rooms.add(()) })
        let link = port.connect()
        #expect(port.offer(Load(1)) == .accepted && port.offer(Load(2)) == .full)
        port.disconnect(link)
        #expect(rooms.count == 2)
    }

    @Test("whoever is told of room while a consumer goes finds none: nothing is taken in to be dropped")
    func offersWhileItEnds() {
        let slot = Mutex<LinkPort<Load>?>(nil)
        let answers = Happenings<Offer>()
        let port = LinkPort<Load>(
            name: "test", bound: 2, room: { if let port = slot.withLock({ $0 }) { answers.add(port.offer(Load(9))) } })
        for round in 1...2 {
            let link = port.connect()
            #expect(port.offer(Load(1, weight: 2)) == .accepted && port.offer(Load(2)) == .full)
            slot.withLock { $0 = port }
            port.disconnect(link)
            #expect(answers.count == round && answers.all.allSatisfy { $0 == .full } && port.depth == (0, 0))
            slot.withLock { $0 = nil }
        }
    }
}
