/// Decides for a ``Link``: who may queue, who must wait, who is woken.
///
///     open --finish--> finishing --last element taken--> finished
///
/// Elements that wait never exceed the bound, except that an element larger than the whole bound is let
/// through alone: configuration can never deadlock data. Senders that wait are admitted first come first served.
struct LinkState<Element: Weighted, Sender, Consumer> {
    enum Taken {
        case element(Element, admitted: [Sender], signalRoom: Bool)
        case wait
        case finished
    }

    enum Put {
        case handed(to: Consumer)
        case queued
        case wait
        case finished
    }

    private struct Waiting {
        let id: UInt64
        let element: Element
        let sender: Sender
    }

    let bound: Int
    private(set) var byteCount = 0
    /// None where an element was taken: what was given away must not be kept alive here.
    private var queue: [Element?] = []
    private var head = 0
    private var senders: [Waiting] = []
    private var consumer: (id: UInt64, value: Consumer)?
    private var refusedAnOffer = false
    private var isFinished = false
    private var lastID: UInt64 = 0
    /// Calls that were cancelled before they had begun to wait.
    private var cancelledEarly: Set<UInt64> = []

    init(bound: Int) {
        self.bound = bound
    }

    var count: Int { self.queue.count - self.head }
    var waitingSenders: Int { self.senders.count }
    var hasConsumer: Bool { self.consumer != nil }
    var cancelledCalls: Int { self.cancelledEarly.count }

    mutating func nextID() -> UInt64 {
        self.lastID += 1
        return self.lastID
    }

    /// Asked by `offer`, and by `send` before it waits.
    mutating func put(_ element: Element, isOffer: Bool) -> Put {
        if self.isFinished { return .finished }
        if let consumer = self.consumer {
            self.consumer = nil
            return .handed(to: consumer.value)
        }
        guard self.senders.isEmpty, self.hasRoom(for: element) else {
            if isOffer { self.refusedAnOffer = true }
            return .wait
        }
        self.enqueue(element)
        return .queued
    }

    /// - Returns: false if the call was cancelled already; its element is then not queued.
    mutating func addSender(_ sender: Sender, element: Element, id: UInt64) -> Bool {
        guard self.cancelledEarly.remove(id) == nil else { return false }
        self.senders.append(Waiting(id: id, element: element, sender: sender))
        return true
    }

    /// - Parameter limit: takes only an element that weighs no more.
    mutating func take(upTo limit: Int = .max) -> Taken {
        guard self.count > 0, let element = self.queue[self.head] else { return self.isFinished ? .finished : .wait }
        guard element.weight <= limit else { return .wait }
        self.queue[self.head] = nil
        self.head += 1
        self.byteCount -= element.weight
        if self.head >= 32, self.head * 2 >= self.queue.count {
            self.queue.removeFirst(self.head)
            self.head = 0
        }
        let admitted = self.admit()
        let signal = self.refusedAnOffer && self.senders.isEmpty && self.byteCount < self.bound
        if signal { self.refusedAnOffer = false }
        return .element(element, admitted: admitted, signalRoom: signal)
    }

    /// - Returns: false if the call was cancelled already.
    mutating func addConsumer(_ consumer: Consumer, id: UInt64) -> Bool {
        precondition(self.consumer == nil, "a link has one consumer")
        guard self.cancelledEarly.remove(id) == nil else { return false }
        self.consumer = (id, consumer)
        return true
    }

    mutating func cancelConsumer(id: UInt64) -> Consumer? {
        guard let consumer = self.consumer, consumer.id == id else {
            self.cancelledEarly.insert(id)
            return nil
        }
        self.consumer = nil
        return consumer.value
    }

    /// - Returns: the sender, if it waits, and those behind it that fit now that it is gone.
    mutating func cancelSender(id: UInt64) -> (sender: Sender?, admitted: [Sender]) {
        guard let index = self.senders.firstIndex(where: { $0.id == id }) else {
            self.cancelledEarly.insert(id)
            return (nil, [])
        }
        let sender = self.senders.remove(at: index).sender
        return (sender, self.admit())
    }

    /// A call came back: its cancellation, if it comes only now, means nothing.
    mutating func ended(id: UInt64) {
        self.cancelledEarly.remove(id)
    }

    /// - Returns: who is to be told; those whose offer was refused wait for room and learn by their next offer.
    mutating func finish() -> (consumer: Consumer?, senders: [Sender], signalRoom: Bool) {
        self.isFinished = true
        defer {
            self.consumer = nil
            self.senders = []
            self.refusedAnOffer = false
        }
        return (self.consumer?.value, self.senders.map(\.sender), self.refusedAnOffer)
    }

    private func hasRoom(for element: Element) -> Bool {
        self.count == 0 || self.byteCount + element.weight <= self.bound
    }

    private mutating func enqueue(_ element: Element) {
        self.queue.append(element)
        self.byteCount += element.weight
    }

    private mutating func admit() -> [Sender] {
        var admitted: [Sender] = []
        while let first = self.senders.first, self.hasRoom(for: first.element) {
            self.enqueue(first.element)
            admitted.append(first.sender)
            self.senders.removeFirst()
        }
        return admitted
    }
}
