import ForebayCore
import ForebayNet

/// One client's connection.
///
///     open --an answer that closes--> ending --all is sent--> lingering --client ends, or time--> closed
///       `--client gone, or time--------------------------------------------------------------> closed
///
/// `ending` and `lingering` read on and drop what comes: unread bytes at the close would make the system reset the connection, and the
/// client could lose the answer.
final class HTTPConnection: TCPSocketDelegate {
    enum Phase { case open, ending, lingering, closed }

    let server: HTTPServer
    let socket: TCPSocket
    let address: PeerAddress
    private let account: AddressAccount
    let slot: UInt32
    let generation: UInt32
    let reader: RequestReader
    let answers = AnswerQueue()
    var phase = Phase.open
    var clock = ConnectionClock()
    /// The client has ended its side.
    var hasEnded = false
    /// The client of the last request waits for `100 Continue`, which earlier answers keep back.
    var owesInvitation = false
    /// Bytes are being turned into requests: answers to these are sent when that is done.
    private(set) var isReceiving = false
    /// It is in the server's list of those to be flushed at the end of the turn.
    var isDirty = false
    /// Its address's to say. See ``AddressAccount``.
    var turn = AddressAccount.Turn.free
    private var hasSpoken = false
    private var hasLingered = false
    private var dropped = 0
    /// It has one of the places for those that may send more after a refusal.
    private var lingersLong = false
    private var accounted = 0

    init(server: HTTPServer, socket: TCPSocket, address: PeerAddress, account: AddressAccount, slot: UInt32, generation: UInt32) {
        self.server = server
        self.socket = socket
        self.address = address
        self.account = account
        self.slot = slot
        self.generation = generation
        self.reader = RequestReader(scratch: server.scratch)
        self.clock.began(at: server.loop.nowMilliseconds)
        socket.setDelegate(self)
        socket.startReading()
        self.setDeadline()
    }

    // MARK: From the socket

    func received(_ bytes: UnsafeRawBufferPointer) {
        guard self.phase == .open else { return self.drop(bytes.count) }
        self.hasSpoken = true
        self.clock.bytesCame(at: self.now)
        self.isReceiving = true
        self.reader.receive(bytes, self)
        self.isReceiving = false
        // What was answered at once goes out at once, so that the client's core works while ours reads on; what is answered
        // later goes out at the end of that turn.
        if self.socket.unsentBytes > 0 && self.socket.flush() { self.allSent() }
        // Requests that had to wait for those answers.
        if self.reader.isHeldUp && self.mayBegin { self.markDirty() }
        self.settle()
    }

    func receivedEnd() {
        self.hasEnded = true
        self.finishReading()
        if self.phase == .lingering { return self.close() }
        if self.answers.outstanding == 0 && self.socket.unsentBytes == 0 { return self.close() }
        for id in self.unanswered { self.server.handler.ended(id) }
        self.markDirty()
    }

    /// Requests that have no answer yet.
    var unanswered: [RequestID] {
        self.answers.unanswered.map { RequestID(slot: self.slot, generation: self.generation, sequence: $0, traits: []) }
    }

    func failed(_ failure: SystemCallFailure) {
        self.phase = .closed
    }

    func flushed() {
        self.allSent()
        self.markDirty()
    }

    func closed() {
        self.phase = .closed
        self.finishReading()
        self.countHeld()
        if self.hasLingered { self.server.lingering -= 1 }
        if self.lingersLong { self.server.endedLongLinger(self.account) }
        self.account.closed(self)
        self.server.removed(self, self.account)
    }

    // MARK: Ending

    /// Takes no further requests, and forgets the one that was coming: the handler never saw it, so nobody waits for its answer.
    func finishReading() {
        if let held = self.reader.heldID, self.answers.isLast(held.sequence) { self.answers.withdrawLast() }
        self.reader.finish()
    }

    /// The client has been sent all that was written for it.
    private func allSent() {
        guard self.phase != .closed else { return }
        self.clock.clientTook(at: self.now)
        if self.hasEnded && (self.phase == .ending || self.answers.outstanding == 0) { return self.close() }
        if self.phase == .ending { self.linger() }
    }

    /// At once. What the client has not got, it does not get.
    func close() {
        self.phase = .closed
        self.socket.close()
    }

    /// At once, and rudely: to one who abuses.
    func cut(_ reason: String) {
        self.server.metrics.cut(reason)
        self.phase = .closed
        self.socket.reset()
    }

    private func linger() {
        self.phase = .lingering
        self.hasLingered = true
        self.server.lingering += 1
        self.clock.lingerBegan(at: self.now)
        self.socket.shutdown()
        self.socket.startReading()
    }

    /// After the last answer: bounded, in bytes here and in time by the deadline.
    private func drop(_ count: Int) {
        guard self.phase != .closed else { return }
        self.dropped += count
        self.clock.bytesCame(at: self.now)
        guard self.mayDropMore else { return self.cut("linger") }
        self.setDeadline()
    }

    private var mayDropMore: Bool {
        let times = self.server.configuration.times
        if self.dropped <= times.lingerBytes { return true }
        if !self.lingersLong { self.lingersLong = self.server.mayLingerLong(self.account) }
        return self.lingersLong && self.dropped <= times.longLingerBytes
    }

    // MARK: Turns

    var now: UInt64 { self.server.loop.nowMilliseconds }

    func markDirty() {
        guard !self.isDirty else { return }
        self.isDirty = true
        self.server.dirty.append(self)
    }

    /// The end of a turn in which there was something to send, or room to read on.
    func endTurn() {
        self.isDirty = false
        guard self.phase != .closed else { return }
        if self.socket.flush() { self.allSent() }
        guard self.phase != .closed else { return }
        if self.reader.isHeldUp && self.mayBegin { self.reader.resume(self) }
        if self.hasEnded && self.answers.outstanding == 0 && self.socket.unsentBytes == 0 { return self.close() }
        if self.server.isDraining && self.isIdle { return self.close() }
        self.settle()
    }

    /// No request is coming, waiting or being answered.
    var isIdle: Bool {
        self.phase == .open && self.reader.stage == .idle && self.answers.outstanding == 0 && self.socket.unsentBytes == 0
    }

    /// It waits for no answer and has none to send: it is idle, or its request is not whole.
    var isQuiet: Bool { self.phase == .open && self.reader.heldID == nil && self.answers.outstanding == 0 && self.socket.unsentBytes == 0 }

    /// Nothing of a request has come on it, ever.
    var isSilent: Bool { self.phase == .open && !self.hasSpoken }

    /// After anything that moved: how much is held, read on or not, when to look again.
    private func settle() {
        guard self.phase != .closed else { return }
        self.countHeld()
        guard self.phase != .closed else { return }
        if !self.hasEnded { self.mayRead() ? self.socket.startReading() : self.socket.stopReading() }
        self.setDeadline()
    }

    /// Whoever waits for more of a request's body reads on, in its turn; whoever would begin the next one waits for the answers.
    private func mayRead() -> Bool {
        guard self.phase == .open else { return true }
        guard self.reader.stage == .body else { return self.mayBegin }
        // What is only passed over takes no memory.
        return self.reader.heldID == nil || self.account.mayRead(self)
    }

    /// It waited for others of its address, and its turn has come.
    func mayReadAgain() {
        guard self.phase == .open, !self.hasEnded else { return }
        self.clock.restart(at: self.now)
        self.socket.startReading()
        self.setDeadline()
    }

    /// Bytes of requests that are not whole and of answers that were not taken, as counted against the bounds.
    var heldBytes: Int { self.accounted }

    /// Counts what this connection holds against the bounds of its server and its address.
    private func countHeld() {
        if self.turn != .free, self.phase != .open || self.reader.heldID == nil { self.account.ended(self) }
        // What was not taken when it closed goes with the socket.
        let held = self.phase == .closed ? 0 : self.reader.heldBytes + self.answers.earlyBytes + self.socket.unsentBytes
        guard held != self.accounted else { return }
        let grown = held - self.accounted
        self.accounted = held
        self.server.held += grown
        self.account.add(grown)
        guard grown > 0, self.phase == .open, self.server.held > self.server.configuration.limits.memory else { return }
        self.server.overdrawn(by: self, self.account)
    }

    /// Gives up what it holds.
    func refuseForMemory() {
        guard self.phase == .open, self.reader.stage == .body, self.socket.unsentBytes == 0 else { return self.cut("memory") }
        let id = self.reader.heldID ?? self.open(nil)
        self.reader.finish()
        self.refuse(id, .memory(self.server.configuration.limits))
        self.countHeld()
    }

    func setDeadline() {
        self.server.connections.setDeadline(self.nextDeadline(), of: self.slot)
    }
}
