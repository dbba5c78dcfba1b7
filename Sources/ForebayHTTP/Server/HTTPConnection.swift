import ForebayCore
import ForebayNet

/// One client's connection. Its ``ConnectionState`` draws its life.
final class HTTPConnection: TCPSocketDelegate {
    let server: HTTPServer
    let socket: TCPSocket
    let account: AddressAccount<HTTPConnection>
    let id: ConnectionID
    let reader: RequestReader
    let answers = AnswerQueue()
    var state = ConnectionState()
    var clock = ConnectionClock()
    private(set) var schedule = FlushSchedule()
    /// Its address's to say. See ``AddressAccount``.
    var turn = BodyTurn.free
    private var lingering = LingeringClose()
    /// Bytes of requests that are not whole and of answers that were not taken, as counted against the bounds.
    private(set) var heldBytes = 0

    init(server: HTTPServer, socket: TCPSocket, account: AddressAccount<HTTPConnection>, id: ConnectionID) {
        self.server = server
        self.socket = socket
        self.account = account
        self.id = id
        self.reader = RequestReader(scratch: server.scratch)
        self.clock.began(at: server.loop.nowMilliseconds)
        socket.setDelegate(self)
        socket.startReading()
        self.setDeadline()
    }

    // MARK: From the socket

    func received(_ bytes: UnsafeRawBufferPointer) {
        guard self.state.phase == .open else { return self.drop(bytes.count) }
        self.state.bytesCame()
        self.clock.bytesCame(at: self.now)
        self.schedule.beginReceiving()
        self.reader.receive(bytes, self)
        self.schedule.endReceiving()
        // What was answered at once goes out at once, so that the client's core works while ours reads on; what is answered
        // later goes out at the end of that turn.
        if self.socket.unsentBytes > 0 && self.socket.flush() { self.allSent() }
        // Requests that had to wait for those answers.
        if self.reader.isHeldUp && self.mayBegin { self.markDirty() }
        self.settle()
    }

    func receivedEnd() {
        self.state.clientEnded()
        self.finishReading()
        if self.state.phase == .lingering { return self.close() }
        if self.answers.outstanding == 0 && self.socket.unsentBytes == 0 { return self.close() }
        for id in self.unanswered { self.server.handler.ended(id) }
        self.markDirty()
    }

    /// Requests that have no answer yet.
    var unanswered: [RequestID] {
        self.answers.unanswered.map { self.id.request($0) }
    }

    func failed(_ failure: SystemCallFailure) {
        self.state.close()
    }

    func flushed() {
        self.allSent()
        self.markDirty()
    }

    func closed() {
        self.state.close()
        self.finishReading()
        self.countHeld()
        if self.lingering.hasBegun { self.server.reporter.metrics.lingerEnded() }
        if self.lingering.hasPlace { self.server.lingerPlaces.giveBack(of: self.account.address) }
        self.server.removed(self)
    }

    // MARK: Ending

    /// Takes no further requests, and forgets the one that was coming: the handler never saw it, so nobody waits for its answer.
    func finishReading() {
        if let held = self.reader.heldID, self.answers.isLast(held.sequence) { self.answers.withdrawLast() }
        self.reader.finish()
    }

    /// The client has been sent all that was written for it.
    private func allSent() {
        guard self.state.phase != .closed else { return }
        self.clock.clientTook(at: self.now)
        if self.state.clientHasEnded && (self.state.phase == .ending || self.answers.outstanding == 0) { return self.close() }
        if self.state.phase == .ending { self.linger() }
    }

    /// At once. What the client has not got, it does not get.
    func close() {
        self.state.close()
        self.socket.close()
    }

    /// At once, and rudely: to one who abuses.
    func cut(_ reason: String) {
        self.server.reporter.metrics.cut(reason)
        self.state.close()
        self.socket.reset()
    }

    private func linger() {
        self.state.linger()
        self.lingering.begin()
        self.server.reporter.metrics.lingerBegan()
        self.clock.lingerBegan(at: self.now)
        self.socket.shutdown()
        self.socket.startReading()
    }

    /// After the last answer. The time is bounded by the deadline.
    private func drop(_ count: Int) {
        guard self.state.phase != .closed else { return }
        self.clock.bytesCame(at: self.now)
        switch self.lingering.drop(count, self.server.configuration.times) {
        case .allowed: break
        case .needsPlace:
            guard self.server.lingerPlaces.take(for: self.account.address) else { return self.cut("linger") }
            self.lingering.gotPlace()
        case .tooMuch: return self.cut("linger")
        }
        self.setDeadline()
    }

    // MARK: Turns

    var now: UInt64 { self.server.loop.nowMilliseconds }

    func markDirty() {
        if self.schedule.becomeDue() { self.server.dirty.append(self) }
    }

    /// The end of a turn in which there was something to send, or room to read on.
    func endTurn() {
        self.schedule.endTurn()
        guard self.state.phase != .closed else { return }
        if self.socket.flush() { self.allSent() }
        guard self.state.phase != .closed else { return }
        if self.reader.isHeldUp && self.mayBegin { self.reader.resume(self) }
        if self.state.clientHasEnded && self.answers.outstanding == 0 && self.socket.unsentBytes == 0 { return self.close() }
        if self.server.isDraining && self.isIdle { return self.close() }
        self.settle()
    }

    /// No request is coming, waiting or being answered.
    var isIdle: Bool {
        self.state.phase == .open && self.reader.stage == .idle && self.answers.outstanding == 0 && self.socket.unsentBytes == 0
    }

    /// It waits for no answer and has none to send: it is idle, or its request is not whole.
    var isQuiet: Bool {
        self.state.phase == .open && self.reader.heldID == nil && self.answers.outstanding == 0 && self.socket.unsentBytes == 0
    }

    /// Nothing of a request has come on it, ever.
    var isSilent: Bool { self.state.isSilent }

    /// After anything that moved: how much is held, read on or not, when to look again.
    private func settle() {
        guard self.state.phase != .closed else { return }
        self.countHeld()
        guard self.state.phase != .closed else { return }
        if !self.state.clientHasEnded { self.mayRead() ? self.socket.startReading() : self.socket.stopReading() }
        self.setDeadline()
    }

    /// Whoever waits for more of a request's body reads on, in its turn; whoever would begin the next one waits for the answers.
    private func mayRead() -> Bool {
        guard self.state.phase == .open else { return true }
        guard self.reader.stage == .body else { return self.mayBegin }
        // What is only passed over takes no memory.
        return self.reader.heldID == nil || self.account.mayRead(self)
    }

    /// Counts what this connection holds against the bounds of its server and its address.
    private func countHeld() {
        if self.turn != .free, self.state.phase != .open || self.reader.heldID == nil { self.account.ended(self) }
        // What was not taken when it closed goes with the socket.
        let held = self.state.phase == .closed ? 0 : self.reader.heldBytes + self.answers.earlyBytes + self.socket.unsentBytes
        guard held != self.heldBytes else { return }
        let grown = held - self.heldBytes
        self.heldBytes = held
        self.server.accounts.add(grown, to: self.account)
        guard grown > 0, self.state.phase == .open, self.server.accounts.excess > 0 else { return }
        self.server.overdrawn(by: self)
    }

    /// Gives up what it holds.
    ///
    /// - Parameter refusal: why, if its client can be told.
    func refuseForMemory(_ refusal: HTTPRefusal) {
        guard self.state.phase == .open, self.reader.stage == .body, self.socket.unsentBytes == 0 else { return self.cut("memory") }
        let id = self.reader.heldID ?? self.open(nil)
        self.reader.finish()
        self.refuse(id, refusal)
        self.countHeld()
    }

    func setDeadline() {
        self.server.connections.setDeadline(self.nextDeadline(), of: self.id)
    }
}

extension HTTPConnection: AccountHolder {
    var remainingBody: UInt64? { self.reader.remainingBody }

    func mayReadAgain() {
        guard self.state.phase == .open, !self.state.clientHasEnded else { return }
        self.clock.restart(at: self.now)
        self.socket.startReading()
        self.setDeadline()
    }
}
