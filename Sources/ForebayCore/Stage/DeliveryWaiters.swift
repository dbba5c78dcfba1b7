import Synchronization

/// The requests that wait for Kafka (`?ack=kafka`), by sequences of the spool. Bounded; survives a restart of any stage.
package final class DeliveryWaiters: Sendable {
    private final class Request: Sendable {
        let sequences: [UInt64]
        let state: Mutex<(settlements: [Settlement?], missing: Int)>
        let settle: @Sendable ([Settlement]?) -> Void

        init(sequences: [UInt64], settle: @escaping @Sendable ([Settlement]?) -> Void) {
            self.sequences = sequences
            self.state = Mutex(([Settlement?](repeating: nil, count: sequences.count), sequences.count))
            self.settle = settle
        }
    }

    /// Names one waiting request.
    package struct Ticket: Sendable {
        fileprivate let request: any AnyObject & Sendable
    }

    private let limit: Int
    private let waiting = Mutex<[UInt64: (request: Request, place: Int)]>([:])
    private let count = Atomic<Int>(0)

    /// - Parameter limit: events that may be waited for at once.
    package init(limit: Int) {
        self.limit = limit
    }

    /// Cheap, so that a delivery without anybody waiting costs one load.
    package var isEmpty: Bool { self.count.load(ordering: .acquiring) == 0 }

    /// Waits for the events of a request.
    ///
    /// - Parameters:
    ///   - sequences: in the order of the request.
    ///   - settle: called once with the settlements in that order, on the delivering thread; at once if there are no events. None: one of
    ///     them can't be delivered now, and nobody knows when.
    /// - Returns: none if too many wait already.
    package func expect(sequences: [UInt64], settle: @escaping @Sendable ([Settlement]?) -> Void) -> Ticket? {
        let request = Request(sequences: sequences, settle: settle)
        let added = self.waiting.withLock { waiting in
            guard waiting.count + sequences.count <= self.limit else { return false }
            for (place, sequence) in sequences.enumerated() { waiting[sequence] = (request, place) }
            self.count.store(waiting.count, ordering: .releasing)
            return true
        }
        if added && sequences.isEmpty { settle([]) }
        return added ? Ticket(request: request) : nil
    }

    /// Gives up waiting; `settle` may have been called already.
    package func forget(_ ticket: Ticket) {
        guard let request = ticket.request as? Request else { return }
        self.waiting.withLock { waiting in
            for sequence in request.sequences where waiting[sequence]?.request === request { waiting[sequence] = nil }
            self.count.store(waiting.count, ordering: .releasing)
        }
    }

    /// Told by the delivering stage. Nobody waits for what comes from elsewhere than the spool: it was set aside, and counts otherwise.
    package func settled(_ place: Offset, _ settlement: Settlement) {
        guard case .spool = place.lane else { return }
        let found = self.waiting.withLock { waiting in
            defer { self.count.store(waiting.count, ordering: .releasing) }
            return waiting.removeValue(forKey: place.number)
        }
        guard let (request, place) = found else { return }
        let complete = request.state.withLock { state -> [Settlement]? in
            state.settlements[place] = settlement
            state.missing -= 1
            return state.missing == 0 ? state.settlements.map { $0! } : nil
        }
        if let complete { request.settle(complete) }
    }

    /// Told by the delivering stage: an event is set aside. Its request need not wait.
    package func setAside(_ place: Offset) {
        guard case .spool = place.lane, let request = self.waiting.withLock({ $0[place.number]?.request }) else { return }
        self.forget(Ticket(request: request))
        request.settle(nil)
    }
}
