import ForebayTestKit
import Testing

@testable import ForebayCore

@Suite("Link state")
struct LinkStateTests {
    /// A state that is asked in the middle of an expectation.
    private final class Asked {
        private var state: LinkState<Load, String, String>
        init(bound: Int) { self.state = LinkState(bound: bound) }

        var count: Int { self.state.count }
        var byteCount: Int { self.state.byteCount }
        var waitingSenders: Int { self.state.waitingSenders }
        var hasConsumer: Bool { self.state.hasConsumer }
        var cancelledCalls: Int { self.state.cancelledCalls }
        func nextID() -> UInt64 { self.state.nextID() }
        func addSender(_ sender: String, element: Load, id: UInt64) -> Bool { self.state.addSender(sender, element: element, id: id) }
        func addConsumer(_ consumer: String, id: UInt64) -> Bool { self.state.addConsumer(consumer, id: id) }
        func cancelConsumer(id: UInt64) -> String? { self.state.cancelConsumer(id: id) }
        func cancelSender(id: UInt64) -> (sender: String?, admitted: [String]) { self.state.cancelSender(id: id) }
        func ended(id: UInt64) { self.state.ended(id: id) }
        func finish() -> (consumer: String?, senders: [String], signalRoom: Bool) { self.state.finish() }

        func put(_ load: Load, isOffer: Bool = true) -> String {
            switch self.state.put(load, isOffer: isOffer) {
            case .handed(let consumer): "handed to \(consumer)"
            case .queued: "queued"
            case .wait: "wait"
            case .finished: "finished"
            }
        }

        func take(upTo limit: Int = .max) -> String {
            switch self.state.take(upTo: limit) {
            case .element(let load, let admitted, let signalRoom):
                (["\(load.name)"] + admitted + (signalRoom ? ["room"] : [])).joined(separator: " ")
            case .wait: "wait"
            case .finished: "finished"
            }
        }
    }

    @Test("what was taken takes no memory, however much that was and however long others wait")
    func takesNoMemory() throws {
        var state = LinkState<Load, String, String>(bound: 1000)
        for name in 0..<100 { _ = state.put(Load(name), isOffer: true) }
        // Of 16 bytes each 200,000 are some 800 pages. Others' tests may take some meanwhile, but not each time.
        let grown = try (0..<4).map { _ in
            let before = try residentPages()
            for name in 0..<200_000 {
                _ = state.put(Load(name), isOffer: true)
                _ = state.take()
            }
            return try residentPages() - before
        }
        #expect(state.count == 100 && grown.contains { $0 < 400 }, "\(grown)")
    }

    @Test("elements come out as they went in, however many were taken before, and the bound counts what waits")
    func longLived() {
        // At each depth, past every place where the queue is made shorter.
        for depth in [1, 2, 15, 31, 32, 33, 64, 65] {
            let state = Asked(bound: depth * 2)
            for name in 0..<depth { #expect(state.put(Load(name, weight: 2)) == "queued") }
            for name in 0..<300 {
                #expect(state.count == depth && state.byteCount == depth * 2)
                #expect(state.put(Load(-1)) == "wait")
                #expect(state.take() == "\(name) room", "depth \(depth)")
                #expect(state.put(Load(name + depth, weight: 2)) == "queued")
            }
            for name in 300..<300 + depth { #expect(state.take() == "\(name)") }
            #expect(state.take() == "wait" && state.count == 0 && state.byteCount == 0)
        }
    }

    @Test("only what weighs no more than asked for is taken")
    func limit() {
        let state = Asked(bound: 10)
        #expect(state.put(Load(1, weight: 5)) == "queued")
        #expect(state.take(upTo: 4) == "wait" && state.count == 1)
        #expect(state.take(upTo: 5) == "1")
    }

    @Test("there is room again when a refused offer could be taken: when no sender is before it, and the bound is not reached")
    func room() {
        let state = Asked(bound: 4)
        for name in 1...2 { #expect(state.put(Load(name, weight: 2)) == "queued") }
        #expect(state.put(Load(3, weight: 1)) == "wait")
        let first = state.nextID(), second = state.nextID()
        #expect(first == 1 && second == 2)
        #expect(
            state.addSender("a", element: Load(4, weight: 2), id: first) && state.addSender("b", element: Load(5, weight: 1), id: second))
        #expect(state.waitingSenders == 2)
        #expect(state.take() == "1 a" && state.byteCount == 4, "the senders fill it again")
        #expect(state.take() == "2 b room" && state.byteCount == 3)
        #expect(state.take() == "4", "once for a refusal")
        #expect(state.put(Load(6, weight: 3)) == "queued" && state.put(Load(7, weight: 3), isOffer: false) == "wait")
        #expect(state.take() == "5", "a send that waits is no refused offer")
    }

    @Test("what is full to the byte is no room")
    func fullToTheByte() {
        let state = Asked(bound: 4)
        #expect(state.put(Load(1, weight: 0)) == "queued" && state.put(Load(2, weight: 4)) == "queued")
        #expect(state.put(Load(3, weight: 1)) == "wait")
        #expect(state.take() == "1" && state.take() == "2 room")
    }

    @Test("a cancellation that comes before the wait ends the call when it comes to wait; one that comes after the call means nothing")
    func cancelledEarly() {
        let state = Asked(bound: 1)
        let (sender, consumer, late) = (state.nextID(), state.nextID(), state.nextID())
        let cancelled = state.cancelSender(id: sender)
        #expect(cancelled.sender == nil && cancelled.admitted.isEmpty)
        #expect(state.cancelConsumer(id: consumer) == nil)
        #expect(state.cancelledCalls == 2)
        #expect(!state.addSender("s", element: Load(1), id: sender) && state.waitingSenders == 0)
        #expect(!state.addConsumer("c", id: consumer) && !state.hasConsumer)
        #expect(state.cancelledCalls == 0)
        _ = state.cancelSender(id: late)
        state.ended(id: late)
        #expect(state.cancelledCalls == 0 && state.addSender("late", element: Load(2), id: late))
    }

    @Test("a consumer that waits gets the next element at once; another's cancellation is not its own")
    func consumer() {
        let state = Asked(bound: 1)
        let id = state.nextID(), other = state.nextID()
        #expect(state.addConsumer("c", id: id) && state.hasConsumer)
        #expect(state.cancelConsumer(id: other) == nil && state.hasConsumer)
        #expect(state.put(Load(1, weight: 9)) == "handed to c")
        #expect(!state.hasConsumer && state.count == 0 && state.byteCount == 0)
        let again = state.nextID()
        #expect(state.addConsumer("d", id: again))
        #expect(state.cancelConsumer(id: again) == "d" && !state.hasConsumer)
    }

    @Test("the end tells everybody once, and what waits can still be taken")
    func finish() {
        let state = Asked(bound: 1)
        #expect(state.put(Load(1)) == "queued" && state.put(Load(2)) == "wait")
        #expect(state.addSender("s", element: Load(3), id: state.nextID()))
        var told = state.finish()
        #expect(told.consumer == nil && told.senders == ["s"] && told.signalRoom)
        told = state.finish()
        #expect(told.consumer == nil && told.senders.isEmpty && !told.signalRoom)
        #expect(state.put(Load(4)) == "finished" && state.waitingSenders == 0)
        #expect(state.take() == "1" && state.take() == "finished")

        let waiting = Asked(bound: 1)
        #expect(waiting.addConsumer("c", id: waiting.nextID()))
        told = waiting.finish()
        #expect(told.consumer == "c" && told.senders.isEmpty && !told.signalRoom && !waiting.hasConsumer)
    }
}
