import ForebayNet
import ForebayTelemetry

/// What a connection gives to its requests: places in the order of answers, and the answers in that order.
extension HTTPConnection: RequestSink {
    var mayBegin: Bool {
        let limits = self.server.configuration.limits
        return self.state.phase == .open && self.answers.outstanding < limits.pipelined
            && self.socket.unsentBytes + self.answers.earlyBytes < limits.unsent
    }

    func open(_ head: FramedHead?) -> RequestID {
        var traits: RequestID.Traits = []
        if let head {
            if head.method == .head { traits.insert(.isHead) }
            if head.isHTTP10 { traits.insert(.isHTTP10) }
            if !head.keepsAlive { traits.insert(.closes) }
        } else {
            traits.insert(.closes)
        }
        return self.id.request(self.answers.open(), traits)
    }

    func judge(_ head: borrowing HTTPRequestHead) -> HTTPVerdict {
        if head.path.equals("*") { return .refuse(.allowing("GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS")) }
        return self.server.handler.head(head)
    }

    func deliver(_ id: RequestID, _ head: borrowing HTTPRequestHead, _ body: UnsafeRawBufferPointer) {
        self.answers.withdrawInvitation()
        self.server.requestDelivered()
        self.server.handler.request(id, head, body)
    }

    func refuse(_ id: RequestID, _ refusal: HTTPRefusal) {
        self.server.reporter.refused(id, refusal)
        var problem = ProblemDetails(status: refusal.status, code: refusal.code, detail: refusal.detail, isRetryable: refusal.isRetryable)
        problem.closes = true
        self.answer(id, problem.response(to: id))
    }

    func answer(_ id: RequestID, _ response: HTTPResponse) {
        response.fields.withUnsafeBytes { fields in
            response.body.withUnsafeBytes { self.answer(id, status: response.status, fields: fields, body: $0, closes: response.closes) }
        }
    }

    func answer(_ id: RequestID, status: Int, fields: UnsafeRawBufferPointer, body: UnsafeRawBufferPointer, closes: Bool) {
        guard self.state.phase == .open, self.answers.isWaited(id.sequence) else { return }
        let closes = closes || id.traits.contains(.closes) || self.endsWith(id)
        let bound = AnswerWriter.bound(fields: fields.count, body: body.count)
        if self.answers.isFirst(id.sequence) {
            let memory = self.socket.reserve(bound)
            self.socket.commit(
                AnswerWriter.write(
                    to: memory, status: status, fields: fields, body: body, traits: id.traits, closes: closes,
                    date: self.server.clock.date.text))
            self.answered(closes: closes)
            while self.state.phase == .open, let early = self.answers.takeFirstEarly() {
                early.bytes.withUnsafeBytes { self.socket.write($0) }
                self.answered(closes: early.closes)
            }
            self.inviteIfItsTurn()
            if !self.schedule.isReceiving { self.markDirty() }
        } else {
            let bytes = [UInt8](unsafeUninitializedCapacity: bound) { memory, count in
                count = AnswerWriter.write(
                    to: UnsafeMutableRawPointer(memory.baseAddress!), status: status, fields: fields, body: body, traits: id.traits,
                    closes: closes,
                    date: self.server.clock.date.text)
            }
            self.answers.keep(AnswerQueue.Early(bytes: bytes, closes: closes), for: id.sequence)
        }
    }

    /// While the server drains, the last answer that is due takes the connection with it, unless a further request is already coming.
    private func endsWith(_ id: RequestID) -> Bool {
        self.server.isDraining && self.answers.isLast(id.sequence) && self.reader.stage != .head
    }

    private func answered(closes: Bool) {
        self.answers.advance()
        guard closes else { return }
        self.state.answeredLast()
        self.finishReading()
    }

    // MARK: 100 Continue

    func inviteBody() {
        self.answers.oweInvitation()
        self.inviteIfItsTurn()
    }

    /// It is pointless once the body has begun.
    private func inviteIfItsTurn() {
        guard self.state.phase == .open, self.answers.takeInvitation() else { return }
        guard self.reader.bodyReceived == 0, self.reader.stage == .body else { return }
        let line: StaticString = "HTTP/1.1 100 Continue\r\n\r\n"
        self.socket.write(UnsafeRawBufferPointer(start: line.utf8Start, count: line.utf8CodeUnitCount))
        if !self.schedule.isReceiving { self.markDirty() }
    }
}
