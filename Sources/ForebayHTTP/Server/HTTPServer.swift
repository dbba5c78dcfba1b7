package import ForebayCore
package import ForebayNet
import ForebayTelemetry
import Glibc

/// An HTTP/1.1 server on an event loop. It knows requests and answers, and nothing of what they mean.
///
/// All members must be used on the loop's thread.
package final class HTTPServer: @unchecked Sendable {  // Safe because: it is only touched on its loop's thread, which the entries check.
    package let loop: EventLoop
    package let configuration: HTTPConfiguration
    let metrics: HTTPMetrics
    private(set) var handler: any HTTPHandler
    let scratch: HeadScratch
    let connections = ConnectionTable()
    private var accounts: [PeerAddress: AddressAccount] = [:]
    private var listeners: [TCPListener] = []
    private let gate = ReadGate()
    let date = HTTPDate()

    /// Those that have something to send or may read on, until the end of the turn.
    let dirty = ConnectionList()
    private var isFlushing = false
    /// What all connections hold, counted against `limits.memory`.
    var held = 0
    var lingering = 0 { didSet { self.metrics.lingering.set(Double(self.lingering)) } }
    private var longLingering = 0
    private(set) var isDraining = false
    private var sweep: Timer?
    private var closedWaiters: [CheckedContinuation<Void, Never>] = []
    /// At the cap, and nobody makes room.
    private var isFull = false
    var silent = SilentConnections()
    let logger: Logger

    package init(loop: EventLoop, configuration: HTTPConfiguration, metrics: HTTPMetrics, handler: any HTTPHandler) {
        self.loop = loop
        var fitted = configuration
        fitted.caps = configuration.caps.fitting(openFiles: Self.descriptorLimit())
        self.configuration = fitted
        self.metrics = metrics
        self.handler = handler
        self.scratch = HeadScratch(limits: configuration.limits)
        self.logger = Logger(label: "http/\(configuration.name)")
    }

    /// Listens, on one more address if called again.
    ///
    /// - Parameter port: 0 takes a free one.
    /// - Returns: The port.
    package func listen(host: String, port: Int) throws(ForebayError) -> Int {
        self.loop.preconditionOnLoop()
        let listener = try TCPListener(loop: self.loop, host: host, port: port) { [weak self] descriptor, address in
            if let self { self.accept(descriptor, address) } else { Glibc.close(descriptor) }
        }
        self.listeners.append(listener)
        self.startTurning()
        return listener.port
    }

    /// Requests that come from now on go to this one; those that it is asked about and never saw it must ignore.
    package func replaceHandler(_ handler: any HTTPHandler) {
        self.loop.preconditionOnLoop()
        self.handler = handler
    }

    /// Memory that connections hold for unfinished requests and unread answers.
    package var heldBytes: Int { self.held }

    package var openConnections: Int { self.connections.count }

    // MARK: Answers

    /// Answers a request, in the order in which its connection asked. Without effect if the connection is gone, or it was answered before.
    package func answer(_ id: RequestID, _ response: HTTPResponse) {
        self.connections.find(id)?.answer(id, response)
    }

    /// The same without a response value: for an answer that is made anew for each request.
    ///
    /// - Parameters:
    ///   - fields: Whole lines, each with its CR LF.
    ///   - body: Copied during the call.
    package func answer(_ id: RequestID, status: Int, fields: StaticString, body: UnsafeRawBufferPointer) {
        guard let connection = self.connections.find(id) else { return }
        let fields = UnsafeRawBufferPointer(start: fields.utf8Start, count: fields.utf8CodeUnitCount)
        connection.answer(id, status: status, fields: fields, body: body, closes: false)
    }

    // MARK: Pressure

    package var isReadingPaused: Bool { self.gate.isShut }

    /// Reads no socket until ``resumeReading()``. Clients' clocks stand still meanwhile.
    package func pauseReading() {
        self.loop.preconditionOnLoop()
        self.gate.shut()
    }

    package func resumeReading() {
        self.loop.preconditionOnLoop()
        guard self.gate.isShut else { return }
        for connection in self.connections.all {
            connection.clock.restart(at: self.loop.nowMilliseconds)
            connection.setDeadline()
        }
        self.gate.open()
    }

    // MARK: The end

    /// Accepts no more connections, closes those that are idle, and the others with their last answers. Returns when all are closed, which
    /// the caller bounds by ``close()``.
    nonisolated(nonsending) package func drain() async {
        self.loop.preconditionOnLoop()
        self.isDraining = true
        self.closeListeners()
        for connection in self.connections.all where connection.isIdle { connection.close() }
        await self.untilClosed()
    }

    /// Closes everything at once; unanswered requests are dropped.
    nonisolated(nonsending) package func close() async {
        self.loop.preconditionOnLoop()
        self.isDraining = true
        self.closeListeners()
        for connection in self.connections.all { connection.close() }
        await self.untilClosed()
        self.loop.preconditionOnLoop()
        self.sweep?.cancel()
        self.sweep = nil
    }

    nonisolated(nonsending) private func untilClosed() async {
        guard self.connections.count > 0 else { return }
        await withCheckedContinuation { self.closedWaiters.append($0) }
    }

    private func closeListeners() {
        for listener in self.listeners { listener.close() }
        self.listeners = []
    }
}

// MARK: - Connections

extension HTTPServer {
    private func accept(_ descriptor: CInt, _ address: PeerAddress) {
        self.metrics.accepted.increment()
        let caps = self.configuration.caps
        let known = self.accounts[address]
        if caps.connectionsPerAddress > 0, let known, known.connections >= caps.connectionsPerAddress,
            !(caps.quietMakeRoom && self.closeQuietest(of: address))
        {
            return self.turnAway(descriptor, address)
        }
        let (slot, generation) = self.connections.reserveSlot()
        // The connection may be broken before it begins: there is nobody to tell why.
        guard let socket = try? TCPSocket(loop: self.loop, adopting: descriptor, gate: self.gate) else {
            self.connections.giveBack(slot)
            return self.metrics.closed.increment()
        }
        let account = known ?? AddressAccount(share: self.configuration.limits.memoryPerAddress)
        self.accounts[address] = account
        account.opened()
        let connection = HTTPConnection(
            server: self, socket: socket, address: address, account: account, slot: slot, generation: generation)
        self.connections.insert(connection, at: slot)
        self.metrics.open.set(Double(self.connections.count))
        if !caps.quietMakeRoom { self.silent.append(connection, open: self.connections) }
        guard self.connections.count >= self.configuration.caps.connections else { return }
        self.isFull = !self.makesRoom(for: connection)
        guard self.isFull else { return }
        // The next ones wait in the system's queue.
        for listener in self.listeners { listener.pause() }
    }

    /// A connection wants more than all may hold together. Whose address holds most gives up its largest part: who sends little is not
    /// refused because others hold much.
    func overdrawn(by connection: HTTPConnection, _ account: AddressAccount) {
        var excess = self.held - self.configuration.limits.memory
        while excess > 0, let largest = self.accounts.max(by: { $0.value.held < $1.value.held }), largest.value.held > account.held {
            let open = self.connections.all.filter { $0.phase == .open && $0.address == largest.key && $0.heldBytes > 0 }
            guard let holder = open.max(by: { $0.heldBytes < $1.heldBytes }) else { break }
            excess -= holder.heldBytes
            holder.refuseForMemory()
        }
        if excess > 0 { connection.refuseForMemory() }
    }

    /// One address has too many: a plain answer without ever reading, and the end.
    private func turnAway(_ descriptor: CInt, _ address: PeerAddress) {
        let refusal = HTTPRefusal.connections(self.configuration.caps)
        self.metrics.refused(refusal.code)
        self.logger.warning(
            "connection refused: there are too many of its address",
            ["code": refusal.code, "address": address.description, "limit": "\(self.configuration.caps.connectionsPerAddress)"])
        let response = ProblemDetails(status: refusal.status, code: refusal.code, detail: refusal.detail).response(to: nil)
        let bytes = response.fields.withUnsafeBytes { fields in
            response.body.withUnsafeBytes { body in
                [UInt8](unsafeUninitializedCapacity: AnswerWriter.bound(fields: fields.count, body: body.count)) { memory, count in
                    count = AnswerWriter.write(
                        to: UnsafeMutableRawPointer(memory.baseAddress!), status: response.status, fields: fields, body: body, traits: [],
                        closes: true, date: self.date.text)
                }
            }
        }
        // It fits a fresh socket's buffer; a client that is gone misses nothing.
        _ = bytes.withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, 0x4000 /* MSG_NOSIGNAL */) }
        Glibc.close(descriptor)
        self.metrics.closed.increment()
    }

    /// Takes a place for a connection that has sent much after a refusal, if one is free.
    func mayLingerLong(_ account: AddressAccount) -> Bool {
        let caps = self.configuration.caps
        let share = caps.connectionsPerAddress == 0 ? caps.longLingering : (caps.longLingering + 3) / 4
        guard self.longLingering < caps.longLingering, account.longLingering < share else { return false }
        self.longLingering += 1
        account.longLingering += 1
        return true
    }

    func endedLongLinger(_ account: AddressAccount) {
        self.longLingering -= 1
        account.longLingering -= 1
    }

    func removed(_ connection: HTTPConnection, _ account: AddressAccount) {
        self.connections.remove(connection.slot)
        if account.connections == 0 { self.accounts[connection.address] = nil }
        self.metrics.closed.increment()
        self.metrics.open.set(Double(self.connections.count))
        for id in connection.unanswered { self.handler.dropped(id) }
        if self.connections.count < self.configuration.caps.connections {
            self.isFull = false
            for listener in self.listeners { listener.resume() }
        }
        guard self.connections.count == 0, !self.closedWaiters.isEmpty else { return }
        let waiters = self.closedWaiters
        self.closedWaiters = []
        for waiter in waiters { waiter.resume() }
    }

    /// What the process may open.
    private static func descriptorLimit() -> Int {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return .max }
        return Int(clamping: limit.rlim_cur)
    }
}

// MARK: - Turns

extension HTTPServer {
    private func startTurning() {
        guard self.sweep == nil else { return }
        self.sweep = self.loop.timer(every: 250) { [weak self] in self?.lookAtTheTime() }
        self.loop.addEndOfTurn { [weak self] in self?.endTurn() }
    }

    /// One write for each connection that was answered in this turn. Reading on may bring more answers, so go on until none is left.
    private func endTurn() {
        while self.dirty.count > 0 {
            self.isFlushing = true
            self.dirty.takeAll { $0.endTurn() }
            self.isFlushing = false
        }
    }

    /// A request that began while others were flushed: whoever gathers the requests of a turn must be asked again.
    func requestDelivered() {
        self.metrics.requests.increment()
        if self.isFlushing { self.loop.repeatEndOfTurn() }
    }

    private func lookAtTheTime() {
        self.date.update()
        self.metrics.held.set(Double(self.held))
        if self.isFull { self.closeSilent() }
        for connection in self.connections.expired(at: self.loop.nowMilliseconds) { connection.expired() }
    }
}
