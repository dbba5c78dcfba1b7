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
    let reporter: HTTPReporter
    private(set) var handler: any HTTPHandler
    let scratch: HeadScratch
    let connections = ConnectionTable()
    let accounts: AddressAccounts<HTTPConnection>
    var lingerPlaces: LingerPlaces
    private var intake = Intake<TCPListener>()
    let clock = ServerClock()
    /// Those that have something to send or may read on, until the end of the turn.
    let dirty = ConnectionList<HTTPConnection>()
    private let draining = Drain()

    package init(loop: EventLoop, configuration: HTTPConfiguration, metrics: HTTPMetrics, handler: any HTTPHandler) {
        self.loop = loop
        var fitted = configuration
        fitted.caps = configuration.caps.fitting(openFiles: Self.descriptorLimit())
        self.configuration = fitted
        self.reporter = HTTPReporter(metrics, name: configuration.name)
        self.handler = handler
        self.scratch = HeadScratch(limits: configuration.limits)
        self.accounts = AddressAccounts(configuration.limits)
        self.lingerPlaces = LingerPlaces(fitted.caps)
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
        self.intake.add(listener)
        self.startTurning()
        return listener.port
    }

    /// Requests that come from now on go to this one; those that it is asked about and never saw it must ignore.
    package func replaceHandler(_ handler: any HTTPHandler) {
        self.loop.preconditionOnLoop()
        self.handler = handler
    }

    /// Memory that connections hold for unfinished requests and unread answers.
    package var heldBytes: Int { self.accounts.held }

    package var openConnections: Int { self.connections.count }

    // MARK: Answers

    /// Answers a request, in the order in which its connection asked. Without effect if the connection is gone, or it was answered before.
    package func answer(_ id: RequestID, _ response: HTTPResponse) {
        self.connections.find(id.connection)?.answer(id, response)
    }

    /// The same without a response value: for an answer that is made anew for each request.
    ///
    /// - Parameters:
    ///   - fields: Whole lines, each with its CR LF.
    ///   - body: Copied during the call.
    package func answer(_ id: RequestID, status: Int, fields: StaticString, body: UnsafeRawBufferPointer) {
        guard let connection = self.connections.find(id.connection) else { return }
        let fields = UnsafeRawBufferPointer(start: fields.utf8Start, count: fields.utf8CodeUnitCount)
        connection.answer(id, status: status, fields: fields, body: body, closes: false)
    }

    // MARK: Pressure

    package var isReadingPaused: Bool { self.intake.gate.isShut }

    /// Reads no socket until ``resumeReading()``. Clients' clocks stand still meanwhile.
    package func pauseReading() {
        self.loop.preconditionOnLoop()
        self.intake.gate.shut()
    }

    package func resumeReading() {
        self.loop.preconditionOnLoop()
        guard self.intake.gate.isShut else { return }
        for connection in self.connections.all {
            connection.clock.restart(at: self.loop.nowMilliseconds)
            connection.setDeadline()
        }
        self.intake.gate.open()
    }

    // MARK: The end

    var isDraining: Bool { self.draining.hasBegun }

    /// Accepts no more connections, closes those that are idle, and the others with their last answers. Returns when all are closed, which
    /// the caller bounds by ``close()``.
    nonisolated(nonsending) package func drain() async {
        self.loop.preconditionOnLoop()
        self.beginDraining()
        for connection in self.connections.all where connection.isIdle { connection.close() }
        await self.untilClosed()
    }

    /// Closes everything at once; unanswered requests are dropped.
    nonisolated(nonsending) package func close() async {
        self.loop.preconditionOnLoop()
        self.beginDraining()
        for connection in self.connections.all { connection.close() }
        await self.untilClosed()
        self.loop.preconditionOnLoop()
        self.clock.stop()
    }

    nonisolated(nonsending) private func untilClosed() async {
        guard self.connections.count > 0 else { return }
        await withCheckedContinuation { self.draining.wait($0) }
    }

    private func beginDraining() {
        self.draining.begin()
        self.intake.close()
    }
}

// MARK: - Connections

extension HTTPServer {
    private func accept(_ descriptor: CInt, _ address: PeerAddress) {
        self.reporter.metrics.accepted.increment()
        let caps = self.configuration.caps
        if caps.connectionsPerAddress > 0, self.accounts.connections(of: address) >= caps.connectionsPerAddress,
            !(caps.quietMakeRoom && self.closeQuietest(of: address))
        {
            return self.turnAway(descriptor, address)
        }
        let id = self.connections.reserve()
        // The connection may be broken before it begins: there is nobody to tell why.
        guard let socket = try? TCPSocket(loop: self.loop, adopting: descriptor, gate: self.intake.gate) else {
            self.connections.giveBack(id)
            return self.reporter.metrics.closed.increment()
        }
        let connection = HTTPConnection(server: self, socket: socket, account: self.accounts.open(address), id: id)
        self.connections.insert(connection, at: id)
        self.reporter.metrics.open.set(self.connections.count)
        if !caps.quietMakeRoom { self.connections.rememberSilent(id) }
        guard self.connections.count >= caps.connections else { return }
        self.intake.setFull(!self.makesRoom(for: connection))
    }

    /// A connection wants more than all may hold together. Whose address holds most gives up its largest part: who sends little is not
    /// refused because others hold much.
    func overdrawn(by connection: HTTPConnection) {
        var excess = self.accounts.excess
        while excess > 0, let largest = self.accounts.largest, largest.held > connection.account.held {
            let open = self.connections.all.filter { $0.state.phase == .open && $0.account === largest && $0.heldBytes > 0 }
            guard let holder = open.max(by: { $0.heldBytes < $1.heldBytes }) else { break }
            excess -= holder.heldBytes
            holder.refuseForMemory(.memory(self.configuration.limits))
        }
        if excess > 0 { connection.refuseForMemory(.memory(self.configuration.limits)) }
    }

    /// One address has too many: a plain answer without ever reading, and the end.
    private func turnAway(_ descriptor: CInt, _ address: PeerAddress) {
        let refusal = HTTPRefusal.connections(self.configuration)
        self.reporter.turnedAway(address, refusal, limit: self.configuration.caps.connectionsPerAddress)
        let response = ProblemDetails(status: refusal.status, code: refusal.code, detail: refusal.detail).response(to: nil)
        let bytes = response.fields.withUnsafeBytes { fields in
            response.body.withUnsafeBytes { body in
                [UInt8](unsafeUninitializedCapacity: AnswerWriter.bound(fields: fields.count, body: body.count)) { memory, count in
                    count = AnswerWriter.write(
                        to: UnsafeMutableRawPointer(memory.baseAddress!), status: response.status, fields: fields, body: body, traits: [],
                        closes: true, date: self.clock.date.text)
                }
            }
        }
        // It fits a fresh socket's buffer; a client that is gone misses nothing.
        _ = bytes.withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, 0x4000 /* MSG_NOSIGNAL */) }
        Glibc.close(descriptor)
        self.reporter.metrics.closed.increment()
    }

    func removed(_ connection: HTTPConnection) {
        self.accounts.closed(connection, of: connection.account)
        self.connections.remove(connection.id)
        self.reporter.metrics.closed.increment()
        self.reporter.metrics.open.set(self.connections.count)
        for id in connection.unanswered { self.handler.dropped(id) }
        if self.connections.count < self.configuration.caps.connections { self.intake.setFull(false) }
        if self.connections.count == 0 { self.draining.complete() }
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
        guard self.clock.start(on: self.loop, sweep: { [weak self] in self?.lookAtTheTime() }) else { return }
        self.loop.addEndOfTurn { [weak self] in self?.endTurn() }
    }

    /// One write for each connection that was answered in this turn. Reading on may bring more answers, so go on until none is left.
    private func endTurn() {
        while self.dirty.count > 0 { self.dirty.takeAll { $0.endTurn() } }
    }

    /// A request that began while others were flushed: whoever gathers the requests of a turn must be asked again.
    func requestDelivered() {
        self.reporter.metrics.requests.increment()
        if self.dirty.isTaking { self.loop.repeatEndOfTurn() }
    }

    private func lookAtTheTime() {
        self.reporter.metrics.held.set(self.accounts.held)
        if self.intake.isFull { self.closeSilent() }
        for connection in self.connections.expired(at: self.loop.nowMilliseconds) { connection.expired() }
    }
}
