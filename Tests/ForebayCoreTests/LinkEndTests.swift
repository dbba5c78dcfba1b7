import ForebayTestKit
import Synchronization
import Testing

@testable import ForebayCore

@Suite("Link: offers, taking, the end", .timeLimit(.minutes(1)))
struct LinkEndTests {
    @Test("after a refused offer there is one signal when there is room, and none without a refusal")
    func roomSignal() {
        let signals = Happenings<Void>()
        let link = Link<Load>(name: "test", bound: 2, room: { signals.add(()) })
        _ = (link.offer(Load(1)), link.offer(Load(2)))
        _ = link.takeWaiting(upTo: 1)
        #expect(signals.count == 0)
        _ = link.offer(Load(3))
        #expect(link.offer(Load(4)) == .full)
        #expect(link.offer(Load(5)) == .full)
        #expect(signals.count == 0)
        _ = link.takeWaiting(upTo: 1)
        #expect(signals.count == 1)
        _ = link.takeWaiting(upTo: 1)
        #expect(signals.count == 1)
    }

    @Test("a send that waits is no refused offer: nobody is told of room")
    func noSignalForSends() async throws {
        let signals = Happenings<Void>()
        let link = Link<Load>(name: "test", bound: 2, room: { signals.add(()) })
        for round in 0..<3 {
            try await link.send(Load(round * 3, weight: 2))
            let senders = [1, 2].map { name in Task { try await link.send(Load(round * 3 + name)) } }
            await link.senders(2)
            #expect(link.drainedNames().count == 3)
            for sender in senders { try await sender.value }
            #expect(link.depth.count == 0 && signals.count == 0)
        }
        // Of those who were refused in between one signal tells.
        try await link.send(Load(9, weight: 2))
        #expect(link.offer(Load(10)) == .full && link.drainedNames() == [9] && signals.count == 1)
    }

    @Test("whoever is told that there is room can offer from within the signal")
    func offerFromSignal() {
        let slot = Mutex<Link<Load>?>(nil)
        let link = Link<Load>(
            name: "test", bound: 1,
            room: { if let link = slot.withLock({ $0 }) { _ = link.offer(Load(9)) } })
        slot.withLock { $0 = link }
        _ = (link.offer(Load(1)), link.offer(Load(2)))
        #expect(link.drainedNames() == [1, 9])
        slot.withLock { $0 = nil }
    }

    @Test("a refused offer behind waiting senders gets its signal too")
    func signalAfterSenders() async throws {
        let signals = Happenings<Void>()
        let link = Link<Load>(name: "test", bound: 1, room: { signals.add(()) })
        try await link.send(Load(1))
        let sender = Task { try await link.send(Load(2)) }
        await link.senders(1)
        #expect(link.offer(Load(3)) == .full)
        _ = link.takeWaiting(upTo: 1)  // The sender's element takes the room.
        try await sender.value
        #expect(signals.count == 0)
        _ = link.takeWaiting(upTo: 1)
        #expect(signals.count == 1)
    }

    @Test("a sender that gives up makes nobody think that there is room, and leaves nothing behind")
    func noSignalForCancellation() async throws {
        let signals = Happenings<Void>()
        let link = Link<Load>(name: "test", bound: 1, room: { signals.add(()) })
        #expect(link.offer(Load(1)) == .accepted && link.offer(Load(2)) == .full)
        let sender = Task { try await link.send(Load(3)) }
        await link.senders(1)
        sender.cancel()
        await #expect(throws: CancellationError.self) { try await sender.value }
        #expect(signals.count == 0 && link.depth.count == 1 && link.cancelledCalls == 0)
        let late = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            try await link.send(Load(4))
        }
        await #expect(throws: CancellationError.self) { try await late.value }
        let consumer = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return await link.stream().first { _ in true }
        }
        #expect(await consumer.value == nil)
        #expect(link.cancelledCalls == 0, "calls that have come back are forgotten")
    }

    @Test("a finished link: what waits can be taken, nothing more is queued, waiting senders are told")
    func finish() async throws {
        let link = Link<Load>(name: "test", bound: 1)
        try await link.send(Load(1))
        let sender = Task { try await link.send(Load(2)) }
        await link.senders(1)

        link.finish()

        await #expect(throws: LinkFinished.self) { try await sender.value }
        await #expect(throws: LinkFinished.self) { try await link.send(Load(3)) }
        #expect(link.offer(Load(4)) == .finished)
        var names: [Int] = []
        for await load in link.stream() { names.append(load.name) }
        #expect(names == [1])
        link.finish()
    }

    @Test("a consumer that waits is told of the end")
    func finishWakesConsumer() async {
        let link = Link<Load>(name: "test", bound: 1)
        let consumer = Task {
            var stream = link.stream().makeAsyncIterator()
            return await stream.next()
        }
        await link.consumer()
        link.finish()
        #expect(await consumer.value == nil)
    }

    @Test("whoever was refused and waits for room is told of the end")
    func finishSignals() {
        let signals = Happenings<Void>()
        let link = Link<Load>(name: "test", bound: 1, room: { signals.add(()) })
        _ = (link.offer(Load(1)), link.offer(Load(2)))
        link.finish()
        #expect(signals.count == 1)
        #expect(link.offer(Load(2)) == .finished)
    }

    @Test("taking gives up to the bytes asked for, and at least one element")
    func takeWaiting() {
        let link = Link<Load>(name: "test", bound: 100)
        for (name, weight) in [6, 6, 4, 20, 0, 1].enumerated() { _ = link.offer(Load(name, weight: weight)) }
        #expect(link.takeWaiting(upTo: 10).map(\.name) == [0])
        #expect(link.takeWaiting(upTo: 10).map(\.name) == [1, 2])
        #expect(link.takeWaiting(upTo: 10).map(\.name) == [3])
        #expect(link.takeWaiting(upTo: 10).map(\.name) == [4, 5])
        #expect(link.takeWaiting(upTo: 10).isEmpty)
    }

    @Test("senders are admitted in the order in which they began to wait")
    func fifo() async throws {
        let link = Link<Load>(name: "test", bound: 1)
        try await link.send(Load(0))
        var senders: [Task<Void, any Error>] = []
        for name in 1...50 {
            senders.append(Task { try await link.send(Load(name)) })
            await link.senders(name)
        }
        var names: [Int] = []
        while names.count < 51 { names += link.takeWaiting(upTo: 1).map(\.name) }
        #expect(names == Array(0...50))
        for sender in senders { try await sender.value }
    }

    @Test("many senders, random weights: each sender's order is kept, nothing is lost, the bound holds", arguments: 0..<4)
    func manySenders(seed: UInt64) async throws {
        let link = Link<Load>(name: "test", bound: 64)
        let (senders, each) = (8, 300)
        var received: [Int] = []
        await withTaskGroup(of: Void.self) { group in
            for sender in 0..<senders {
                group.addTask {
                    var generator = SplitMix(seed: seed &* 100 &+ UInt64(sender))
                    for number in 0..<each {
                        let load = Load(sender * each + number, weight: Int.random(in: 0...80, using: &generator))
                        if Bool.random(using: &generator), link.offer(load) == .accepted { continue }
                        // No cancellation and no finish here, so it can't throw.
                        try? await link.send(load)
                    }
                }
            }
            for await load in link.stream() {
                received.append(load.name)
                let depth = link.depth
                #expect(depth.bytes <= 64 || depth.count == 1)
                if received.count == senders * each { break }
            }
        }
        for sender in 0..<senders {
            #expect(received.filter { $0 / each == sender } == Array(sender * each..<(sender + 1) * each))
        }
    }

    @Test("the state against a model of it, with random calls", arguments: 0..<20)
    func model(seed: UInt64) {
        var generator = SplitMix(seed: seed)
        var state = LinkState<Load, UInt64, UInt64>(bound: 20)
        var (queue, waiting): ([Load], [(id: UInt64, load: Load)]) = ([], [])
        func bytes() -> Int { queue.reduce(0) { $0 + $1.weight } }
        func admit() -> [UInt64] {
            var admitted: [UInt64] = []
            while let first = waiting.first, queue.isEmpty || bytes() + first.load.weight <= 20 {
                queue.append(first.load)
                admitted.append(first.id)
                waiting.removeFirst()
            }
            return admitted
        }
        for name in 0..<2000 {
            switch Int.random(in: 0..<10, using: &generator) {
            case 0..<5:
                let load = Load(name, weight: Int.random(in: 0...25, using: &generator))
                let id = state.nextID()
                let fits = waiting.isEmpty && (queue.isEmpty || bytes() + load.weight <= 20)
                switch state.put(load, isOffer: false) {
                case .queued:
                    #expect(fits)
                    queue.append(load)
                case .wait:
                    #expect(!fits)
                    let added = state.addSender(id, element: load, id: id)
                    #expect(added)
                    waiting.append((id, load))
                case .handed, .finished: Issue.record("nobody waits, nothing is finished")
                }
            case 5..<9:
                switch state.take() {
                case .element(let load, let admitted, _):
                    #expect(load == queue.removeFirst())
                    #expect(admitted == admit())
                case .wait: #expect(queue.isEmpty)
                case .finished: Issue.record("not finished")
                }
            default:
                guard let victim = waiting.randomElement(using: &generator) else { continue }
                waiting.removeAll { $0.id == victim.id }
                let cancelled = state.cancelSender(id: victim.id)
                #expect(cancelled.sender == victim.id)
                #expect(cancelled.admitted == admit())
            }
            #expect(state.byteCount == bytes() && state.count == queue.count)
        }
    }
}
