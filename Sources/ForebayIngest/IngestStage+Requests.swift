import ForebayCore
import ForebayHTTP
import ForebayNet
import ForebayTelemetry

// From a request to its events.
extension IngestStage {
    /// Judges a request by its head, before its body is read.
    func judge(_ head: borrowing HTTPRequestHead) -> HTTPVerdict {
        do throws(Refusal) {
            if self.reader.isRepeat(head) {
                if let code = self.admission() { throw self.busy(code) }
                return .accept(bodyLimit: self.configuration.limits.body)
            }
            let resource = try IngestResource(path: head.path)
            if head.method == .options { return .refuse(.allowing(IngestResource.allow)) }
            if head.method != .post {
                throw Refusal(.methodNotAllowed, "\(head.method.name) is not for events; POST them", allow: IngestResource.allow)
            }
            if let code = self.admission() { throw self.busy(code) }
            try self.reader.judge(head, resource)
            return .accept(bodyLimit: self.configuration.limits.body)
        } catch {
            return .refuse(self.answers.response(to: head.id, error))
        }
    }

    /// Takes a whole request.
    func take(_ id: RequestID, _ head: borrowing HTTPRequestHead, _ body: UnsafeRawBufferPointer) {
        let startedAt = MonotonicClock.nanoseconds
        do throws(Refusal) {
            if self.state.phase == .ended { throw self.busy(.unavailable) }
            let judged = try self.reader.head(of: head)
            // A large one is stored, or has no room, by itself.
            if body.count >= self.configuration.batch, !self.open.isEmpty { self.endTurn() }
            try self.open.read(body, of: judged, by: &self.reader, turn: self.loop.nowMilliseconds)
            self.gathered(id, judged, bodyCount: body.count, startedAt: startedAt)
        } catch {
            self.answers.refuse(id, error)
        }
    }

    /// A request's events stand in the batches.
    private func gathered(_ id: RequestID, _ judged: JudgedHead, bodyCount: Int, startedAt: UInt64) {
        if self.open.hasNoEvent { return self.answers.empty(id, waitsForKafka: judged.waitsForKafka, since: startedAt) }
        var wait: KafkaWait?
        if judged.waitsForKafka {
            let milliseconds = min(judged.wait ?? self.configuration.defaultWait, self.configuration.maximumWait)
            let made = self.open.wait(of: id, until: self.loop.nowMilliseconds + UInt64(milliseconds))
            self.waits.begin(made)
            wait = made
        }
        self.took(self.open.add(id, bodyCount: bodyCount, startedAt: startedAt, kafka: wait))
        // A large group is handed over at once, so that the disk works while the next one is read.
        if self.open.weight >= self.configuration.batch { return self.endTurn() }
        guard self.open.planEnd() else { return }
        self.loop.execute { self.assumeIsolated { $0.endTurn() } }
    }

    /// Why nothing is taken now.
    func busy(_ code: ProblemCode) -> Refusal {
        switch code {
        case .overloaded:
            Refusal(code, "\(code.busyDetail) (limits.in_flight is \(self.configuration.limits.inFlight) bytes)")
        default: Refusal(code, self.storage.fault(code).map { "\($0); nothing was stored" } ?? code.busyDetail)
        }
    }

    /// The client of an unanswered request has ended its side, or its connection is gone. What it sent is stored all the same; only the
    /// wait for Kafka is given up, so that clients without patience hold no connections and no places among those that wait.
    func dropped(_ id: RequestID) {
        guard let wait = self.waits.find(id) else { return }
        self.stopWaiting(wait)
    }
}
