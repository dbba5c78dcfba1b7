import ForebayCore
import ForebaySpool
import ForebayTestKit

/// What producers do with a node.
extension SimulatedNode {
    func produce(_ watched: Watched) async {
        let routes = Dictionary(uniqueKeysWithValues: self.life.configured.map { ($0, RouteID(name: self.life.lines[$0].name)) })
        await withTaskGroup(of: Void.self) { group in
            for producer in 0..<4 {
                let requests = self.life.requests.filter { $0.producer == producer }
                group.addTask {
                    for request in requests {
                        if request.pause > 0 { await self.pass(milliseconds: request.pause) }
                        await self.send(request, routes, watched.spool, watched.port)
                        for delivery in watched.deliveries { self.checkPlace(delivery, watched.spool) }
                        self.checkBounds(watched)
                    }
                }
            }
        }
    }

    private func send(_ request: RoundPlan.Request, _ routes: [Int: RouteID], _ spool: Spool, _ port: LinkPort<Submission>) async {
        if spool.isFull { return self.model.coverage.hit("refused: full") }
        // One batch for each route, in order of first mention, as ingest makes them.
        var numbers: [[Int]] = []
        var batches: [Batch] = []
        var lines: [Int] = []
        for event in request.events where !lines.contains(event.line) { lines.append(event.line) }
        for line in lines {
            guard let route = routes[line] else { continue }
            var builder = BatchBuilder(initialCapacity: 1024)
            var ofBatch: [Int] = []
            for event in request.events where event.line == line {
                let key = request.producer << 8 | event.key
                let number = self.model.submit(line: line, topic: event.topic, key: key, size: event.size)
                ofBatch.append(number)
                Self.append(number, event, key, to: &builder, at: self.surroundings.time.wallMilliseconds)
            }
            guard let batch = builder.finish(route: route, acceptedAt: self.surroundings.time.wallMilliseconds) else { continue }
            batches.append(batch)
            numbers.append(ofBatch)
        }
        guard !batches.isEmpty else { return }
        var wasTaken = false
        let outcome = await withUnsafeContinuation { (continuation: UnsafeContinuation<AckOutcome, Never>) in
            let submission = Submission(batches: batches, ack: AckToken { continuation.resume(returning: $0) })
            if case .accepted = port.offer(submission) { wasTaken = true }
        }
        self.settle(numbers, wasTaken ? outcome : .refused(ForebayError(.injected, recovery: .retry, "no room in the link")))
    }

    private static func append(_ number: Int, _ event: RoundPlan.Event, _ key: Int, to builder: inout BatchBuilder, at time: Int64) {
        var topic = "topic-\(event.line)-\(event.topic)"
        var name = "key-\(key)"
        Model.value(of: number, size: event.size).withUnsafeBytes { value in
            topic.withUTF8 { topic in
                name.withUTF8 { key in
                    var fields = EventFields(topic: UnsafeRawBufferPointer(topic), value: value, timestamp: time)
                    fields.key = UnsafeRawBufferPointer(key)
                    builder.append(fields)
                }
            }
        }
    }

    private func settle(_ numbers: [[Int]], _ outcome: AckOutcome) {
        switch outcome {
        case .durable(let receipt):
            guard receipt.firstSequences.count == numbers.count else {
                return self.model.violate("a receipt that does not fit its request")
            }
            for (batch, first) in zip(numbers, receipt.firstSequences) {
                for (place, number) in batch.enumerated() {
                    let sequence = first + UInt64(place)
                    self.model.acknowledge(number, id: EventID.text(origin: receipt.origin, sequence: sequence), sequence: sequence)
                }
            }
        case .refused(let error):
            self.model.coverage.hit("refused: \(error.code)")
            for number in numbers.joined() { self.model.refuse(number) }
        case .unknown:
            self.model.coverage.hit("outcome unknown")
            for number in numbers.joined() { self.model.giveUp(number) }
        }
    }
}
