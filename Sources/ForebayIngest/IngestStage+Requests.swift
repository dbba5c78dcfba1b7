import ForebayCore
import ForebayHTTP
import ForebayNet
import ForebayTelemetry

// From a request to its events.
extension IngestStage {
    /// Judges a request by its head, before its body is read.
    func judge(_ head: borrowing HTTPRequestHead) -> HTTPVerdict {
        do throws(Refusal) {
            if self.isRepeat(head) {
                self.judged?.id = head.id
                if let code = self.admission() { throw self.busy(code) }
                return .accept(bodyLimit: self.configuration.limits.body)
            }
            let resource = try IngestResource(path: head.path)
            if head.method == .options { return .refuse(.allowing(IngestResource.allow)) }
            if head.method != .post {
                throw Refusal(.methodNotAllowed, "\(head.method.name) is not for events; POST them", allow: IngestResource.allow)
            }
            if let code = self.admission() { throw self.busy(code) }
            self.judged = try self.read(head, resource)
            return .accept(bodyLimit: self.configuration.limits.body)
        } catch {
            return .refuse(self.refusal(error, of: head.id))
        }
    }

    /// Takes a whole request.
    func take(_ id: RequestID, _ head: borrowing HTTPRequestHead, _ body: UnsafeRawBufferPointer) {
        let startedAt = MonotonicClock.nanoseconds
        do throws(Refusal) {
            if self.state.phase == .ended { throw self.busy(.unavailable) }
            let judged = try self.readAgain(head)
            // A large one is stored, or has no room, by itself.
            if body.count >= self.configuration.batch, !self.group.isEmpty { self.endTurn() }
            self.sink.begin(bodyCount: body.count, keepsPositions: judged.waitsForKafka)
            do throws(Refusal) {
                let request = BodyDecoder.Request(target: judged.target, now: self.wallMilliseconds())
                try self.decoder.decode(body, self.fields, request, routes: &self.routes, into: &self.sink)
            } catch {
                self.sink.rollback()
                throw error
            }
            self.sink.commit()
            self.gathered(id, bodyCount: body.count, startedAt: startedAt, waitsForKafka: judged.waitsForKafka)
        } catch {
            self.server.answer(id, self.refusal(error, of: id))
        }
    }

    /// What the head says, without reading it twice where the body came with it: then it lies where it was judged, and `fields` holds.
    /// A body that came later comes with a copy of its head, which lies elsewhere.
    private func readAgain(_ head: borrowing HTTPRequestHead) throws(Refusal) -> JudgedHead {
        if let judged, judged.id == head.id, judged.place == head.query.baseAddress { return judged }
        return try self.read(head, try IngestResource(path: head.path))
    }

    /// Whether the same bytes were judged last, and lay where these lie, so that what `fields` points to is there again.
    private func isRepeat(_ head: borrowing HTTPRequestHead) -> Bool {
        head.number != 0 && self.judged?.number == head.number && self.judged?.place == head.query.baseAddress
    }

    /// The time of day, asked once in a turn of the loop.
    private func wallMilliseconds() -> Int64 {
        let turn = self.loop.nowMilliseconds
        if self.wallTime.turn != turn { self.wallTime = (turn, self.clock()) }
        return self.wallTime.now
    }

    /// Reads what the head says: where the events go, and what the header fields say of them (in `fields`).
    private func read(_ head: borrowing HTTPRequestHead, _ resource: IngestResource) throws(Refusal) -> JudgedHead {
        self.judged = nil  // Whatever was judged before: `fields` says something else from now on.
        let query = try IngestQuery(head.query)
        var target: TopicTarget?
        if case .topic(let name) = resource { target = try self.routes.target(for: name) }
        self.fields.reset()
        var refusal: Refusal?
        head.forEachHeader { name, value in
            guard refusal == nil else { return }
            do throws(Refusal) { try self.fields.take(name, value) } catch { refusal = error }
        }
        if let refusal { throw refusal }
        try self.fields.check()
        if target == nil && !self.fields.kind.isEnvelope {
            throw Refusal(
                .unsupportedMediaType,
                "/v1/events takes envelopes: application/vnd.forebay.v1+json or application/vnd.forebay.v1+x-ndjson")
        }
        return JudgedHead(
            id: head.id, number: head.number, place: head.query.baseAddress, target: target, waitsForKafka: query.waitsForKafka)
    }

    /// A request's events stand in the batches.
    private func gathered(_ id: RequestID, bodyCount: Int, startedAt: UInt64, waitsForKafka: Bool) {
        guard self.sink.count > 0 else { return self.answerEmpty(id, waitsForKafka: waitsForKafka, startedAt: startedAt) }
        var wait: KafkaWait?
        if waitsForKafka {
            let milliseconds = min(self.fields.wait ?? self.configuration.defaultWait, self.configuration.maximumWait)
            wait = KafkaWait(
                id: id, positions: self.sink.positions, targets: self.sink.targets,
                deadline: self.loop.nowMilliseconds + UInt64(milliseconds))
            self.kafkaWaits[id] = wait
        }
        self.group.add(id, self.sink, bodyCount: bodyCount, startedAt: startedAt, kafka: wait)
        self.perform(self.state.took(max(bodyCount, self.sink.byteCount)))
        self.metrics.inFlight.set(self.state.inFlight)
        // A large group is handed over at once, so that the disk works while the next one is read.
        if self.group.weight >= self.configuration.batch { return self.endTurn() }
        guard !self.willFlush else { return }
        self.willFlush = true
        self.loop.execute { self.assumeIsolated { $0.endTurn() } }
    }

    /// `[]`: nothing to store.
    private func answerEmpty(_ id: RequestID, waitsForKafka: Bool, startedAt: UInt64) {
        let body: StaticString =
            waitsForKafka
            ? #"{"accepted":0,"durability":"kafka","records":[]}"#
            : #"{"accepted":0,"durability":"durable","id":null,"last_id":null}"#
        self.server.answer(
            id, status: waitsForKafka ? 200 : 202, fields: AnswerText.fields,
            body: UnsafeRawBufferPointer(start: body.utf8Start, count: body.utf8CodeUnitCount))
        self.metrics.requests(waitsForKafka ? 200 : 202).increment()
        self.metrics.duration.observe(Self.seconds(since: startedAt))
    }

    /// Why nothing is taken now.
    func busy(_ code: ProblemCode) -> Refusal {
        switch code {
        case .overloaded:
            Refusal(code, "\(code.busyDetail) (limits.in_flight is \(self.configuration.limits.inFlight) bytes)")
        case .clockNotSet: Refusal(code, ClockRule.fault(at: self.clock()).map { "\($0); nothing was stored" } ?? code.busyDetail)
        case .unavailable: Refusal(code, self.storage.fault().map { "\($0); nothing was stored" } ?? code.busyDetail)
        default: Refusal(code, code.busyDetail)
        }
    }

    func refusal(_ refusal: Refusal, of id: RequestID) -> HTTPResponse {
        self.metrics.rejected(refusal.code)
        if refusal.code.status >= 500 {
            // Folded by the log when there are many. Who has such an answer can find its line.
            self.logger.warning(
                "request refused", ["code": refusal.code.rawValue, "request_id": id.description, "detail": refusal.detail])
        }
        return refusal.problem(retryAfter: refusal.code.retryAfter.map { Int.random(in: $0) }).response(to: id)
    }

    static func seconds(since startedAt: UInt64) -> Double {
        Double(MonotonicClock.nanoseconds &- startedAt) / 1_000_000_000
    }

    /// The client of an unanswered request has ended its side, or its connection is gone. What it sent is stored all the same; only the
    /// wait for Kafka is given up, so that clients without patience hold no connections and no places among those that wait.
    func dropped(_ id: RequestID) {
        guard let wait = self.kafkaWaits[id] else { return }
        self.stopWaiting(wait)
    }
}
