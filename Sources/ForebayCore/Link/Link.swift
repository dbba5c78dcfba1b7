import Synchronization

/// Carries elements from one stage to the next: bounded in bytes, pulled, with an `AsyncStream` as its face.
///
/// - A cancelled sender's element is *not* queued. A cancelled consumer loses nothing, and the link stays open.
/// - One consumer at a time. The bound counts what waits in the link, not what the consumer holds.
/// - Links are disposable; the cursor is the truth.
///
/// What is called for each group is compiled for both elements that there are: other modules can't, and asking Swift's runtime what
/// `Element` is costs a tenth of a single POST.
package final class Link<Element: Weighted>: Sendable {
    private typealias Sender = UnsafeContinuation<Void, any Error>
    private typealias Consumer = UnsafeContinuation<Element?, Never>

    package let name: String
    private let state: Mutex<LinkState<Element, Sender, Consumer>>
    private let room: @Sendable () -> Void

    /// - Parameters:
    ///   - bound: of what waits, in bytes.
    ///   - room: called after an `offer` was refused, when there is room again, on the consumer's thread, or when the link has ended.
    package init(name: String, bound: Int, room: @escaping @Sendable () -> Void = {}) {
        self.name = name
        self.state = Mutex(LinkState(bound: bound))
        self.room = room
    }

    /// What waits now, in elements and bytes.
    package var depth: (count: Int, bytes: Int) {
        self.state.withLock { ($0.count, $0.byteCount) }
    }

    /// Who waits now.
    var waiting: (senders: Int, hasConsumer: Bool) {
        self.state.withLock { ($0.waitingSenders, $0.hasConsumer) }
    }

    /// Calls that have not come back, as far as they were cancelled early.
    var cancelledCalls: Int { self.state.withLock { $0.cancelledCalls } }

    /// Queues an element if there is room; never waits.
    @specialized(where Element == Batch)
    @specialized(where Element == Submission)
    package func offer(_ element: Element) -> Offer {
        switch self.state.withLock({ $0.put(element, isOffer: true) }) {
        case .handed(let consumer):
            consumer.resume(returning: element)
            return .accepted
        case .queued: return .accepted
        case .wait: return .full
        case .finished: return .finished
        }
    }

    /// Queues an element, waiting while the link is full.
    ///
    /// - Throws: `CancellationError` if the task is cancelled first, ``LinkFinished`` if the link has ended;
    ///   in both cases the element is not queued.
    @specialized(where Element == Batch)
    @specialized(where Element == Submission)
    package func send(_ element: Element, isolation: isolated (any Actor)? = #isolation) async throws {
        if try self.sendNow(element) { return }
        let id = self.state.withLock { $0.nextID() }
        defer { self.state.withLock { $0.ended(id: id) } }
        try await withTaskCancellationHandler {
            try await withUnsafeThrowingContinuation { (sender: Sender) in
                let outcome = self.state.withLock { state -> Result<Consumer?, any Error>? in
                    if Task.isCancelled { return .failure(CancellationError()) }
                    switch state.put(element, isOffer: false) {
                    case .handed(let consumer): return .success(consumer)
                    case .queued: return .success(nil)
                    case .finished: return .failure(LinkFinished())
                    case .wait: return state.addSender(sender, element: element, id: id) ? nil : .failure(CancellationError())
                    }
                }
                switch outcome {
                case .none: return
                case .success(let consumer):
                    consumer?.resume(returning: element)
                    sender.resume()
                case .failure(let error): sender.resume(throwing: error)
                }
            }
        } onCancel: {
            let (sender, admitted) = self.state.withLock { $0.cancelSender(id: id) }
            sender?.resume(throwing: CancellationError())
            self.wake(admitted, signalRoom: false)
        }
    }

    /// Where there is room nobody waits, and nobody changes threads: what is given to a cancellation handler runs on Swift's pool.
    ///
    /// - Returns: false if the link is full.
    @specialized(where Element == Batch)
    @specialized(where Element == Submission)
    private func sendNow(_ element: Element) throws -> Bool {
        try Task.checkCancellation()
        switch self.state.withLock({ $0.put(element, isOffer: false) }) {
        case .handed(let consumer): consumer.resume(returning: element)
        case .queued: break
        case .finished: throw LinkFinished()
        case .wait: return false
        }
        return true
    }

    /// The consumer's face. Ask for a fresh one after a cancellation: a stream that was cancelled is dead, the link is not.
    @specialized(where Element == Batch)
    @specialized(where Element == Submission)
    package func stream() -> AsyncStream<Element> {
        AsyncStream(unfolding: { await self.next() })
    }

    /// Takes what waits right now without suspending, up to `bytes` in all and at least one element if any waits.
    @specialized(where Element == Batch)
    @specialized(where Element == Submission)
    package func takeWaiting(upTo bytes: Int) -> [Element] {
        var taken: [Element] = []
        var weight = 0
        while true {
            let limit = taken.isEmpty ? Int.max : bytes - weight
            let next = self.state.withLock { $0.take(upTo: limit) }
            guard case .element(let element, let admitted, let signalRoom) = next else { return taken }
            self.wake(admitted, signalRoom: signalRoom)
            weight += element.weight
            taken.append(element)
        }
    }

    /// Ends the link: what waits can still be taken, nothing more is queued, waiting senders get ``LinkFinished``.
    package func finish() {
        let (consumer, senders, signalRoom) = self.state.withLock { $0.finish() }
        consumer?.resume(returning: nil)
        for sender in senders { sender.resume(throwing: LinkFinished()) }
        if signalRoom { self.room() }
    }

    @specialized(where Element == Batch)
    @specialized(where Element == Submission)
    private func next() async -> Element? {
        let id = self.state.withLock { $0.nextID() }
        defer { self.state.withLock { $0.ended(id: id) } }
        return await withTaskCancellationHandler {
            await withUnsafeContinuation { (consumer: Consumer) in
                let taken = self.state.withLock { state -> LinkState<Element, Sender, Consumer>.Taken in
                    if Task.isCancelled { return .finished }
                    let taken = state.take()
                    guard case .wait = taken else { return taken }
                    return state.addConsumer(consumer, id: id) ? .wait : .finished
                }
                switch taken {
                case .wait: return
                case .finished: consumer.resume(returning: nil)
                case .element(let element, let admitted, let signalRoom):
                    self.wake(admitted, signalRoom: signalRoom)
                    consumer.resume(returning: element)
                }
            }
        } onCancel: {
            self.state.withLock { $0.cancelConsumer(id: id) }?.resume(returning: nil)
        }
    }

    private func wake(_ senders: [Sender], signalRoom: Bool) {
        for sender in senders { sender.resume() }
        if signalRoom { self.room() }
    }
}
