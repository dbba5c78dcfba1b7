import ForebayCore

/// The events of the requests that complete in one turn of the loop, in batches by route: what becomes one submission.
///
/// A request is appended whole or not at all: `begin`, then its events, then either `commit` or `rollback`.
final class Gathering {
    /// Where an event lies among what is gathered; with the sequences of the batches it becomes the event's own.
    struct Position: Equatable {
        var route: Int32
        /// Among the batches of the route.
        var batch: Int32
        /// In the batch.
        var index: Int32
    }

    private let routes: [RouteGathering]
    private var touched: [RouteGathering] = []
    private var request: UInt64 = 0
    private var bodyCount = 0
    private var isOpen = false

    /// - Parameters:
    ///   - batch: about how large a batch may grow, in bytes.
    ///   - clock: the time of day, in milliseconds since 1970.
    init(routes: [RouteID], batch: Int, clock: @escaping @Sendable () -> Int64 = { WallClock.milliseconds }) {
        self.routes = routes.enumerated().map { RouteGathering(number: Int32($0.offset), id: $0.element, batch: batch, clock: clock) }
    }

    /// - Parameter bodyCount: of the request, in bytes: about what it will add.
    func begin(bodyCount: Int) {
        precondition(!self.isOpen, "a request inside another")
        self.isOpen = true
        self.request &+= 1
        self.bodyCount = bodyCount
    }

    @inline(__always)
    func append(_ fields: EventFields, route number: Int) -> Position {
        let route = self.routes[number]
        if route.request != self.request {
            route.begin(self.request, bodyCount: self.bodyCount)
            self.touched.append(route)
        }
        return route.append(fields)
    }

    func commit() {
        precondition(self.isOpen)
        self.isOpen = false
        self.touched.clear()
    }

    func rollback() {
        precondition(self.isOpen)
        self.isOpen = false
        for route in self.touched { route.rollback() }
        self.touched.clear()
    }

    /// Hands over what was gathered and begins anew.
    ///
    /// - Returns: the batches, and for each route the place of its first batch among them.
    func finish(acceptedAt: Int64) -> (batches: [Batch], bases: [Int]) {
        precondition(!self.isOpen)
        var batches: [Batch] = []
        let bases = self.routes.map { route in
            defer { batches += route.finish(acceptedAt: acceptedAt) }
            return batches.count
        }
        return (batches, bases)
    }
}

/// What is gathered for one route.
private final class RouteGathering {
    let number: Int32
    private let id: RouteID
    private let limit: Int
    private let clock: @Sendable () -> Int64
    private var builder = BatchBuilder()
    private var sealed: [Batch] = []
    /// The request that touched it last, and how to forget it.
    private(set) var request: UInt64 = 0
    private var mark: BatchBuilder.Mark
    private var wasEmpty = true
    private var sealedBefore = 0

    init(number: Int32, id: RouteID, batch: Int, clock: @escaping @Sendable () -> Int64) {
        self.number = number
        self.id = id
        self.limit = batch
        self.clock = clock
        self.mark = self.builder.mark
    }

    /// The first event of a request comes. If it could make the batch too large, that is closed now: inside the request it can only
    /// be closed while it holds nothing of other requests, or the request could not be forgotten alone.
    func begin(_ request: UInt64, bodyCount: Int) {
        self.request = request
        if self.builder.byteCount + bodyCount > self.limit { self.seal() }
        // A body becomes about as many bytes of records, plus what each event's record begins with; a lone small one has its room already.
        if bodyCount > 4096 { self.builder.reserve(min(bodyCount + bodyCount / 4, self.limit)) }
        self.mark = self.builder.mark
        self.wasEmpty = self.builder.isEmpty
        self.sealedBefore = self.sealed.count
    }

    @inline(__always)
    func append(_ fields: EventFields) -> Gathering.Position {
        if self.builder.byteCount + fields.recordSize > self.limit { self.sealInsideRequest() }
        let position = Gathering.Position(
            route: self.number, batch: Int32(truncatingIfNeeded: self.sealed.count), index: Int32(truncatingIfNeeded: self.builder.count))
        self.builder.append(fields)
        return position
    }

    func rollback() {
        self.sealed.removeLast(self.sealed.count - self.sealedBefore)
        self.builder.rollback(to: self.mark)
    }

    func finish(acceptedAt: Int64) -> [Batch] {
        defer { self.sealed.removeAll() }
        if let last = self.builder.finish(route: self.id, acceptedAt: acceptedAt) { self.sealed.append(last) }
        return self.sealed
    }

    private func sealInsideRequest() {
        if self.wasEmpty { self.seal() }
    }

    private func seal() {
        // The time is of the batch's last event: a batch is open for a turn of the loop, a millisecond or so.
        if let batch = self.builder.finish(route: self.id, acceptedAt: self.clock()) { self.sealed.append(batch) }
    }
}
