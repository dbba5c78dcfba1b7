import ForebayKafka

/// What an engine knows of its cluster, beside its topics: whether it answers, what of that was told, and whom to ask next.
struct TargetWatch {
    /// Of a delivery's two engines one watches the cluster: it asks, and tells.
    private let isWatched: Bool
    private(set) var health = TargetHealth()
    /// It is to be asked whether it is there.
    private(set) var wantsAnswer = false
    /// What was last told of its trouble, while it lasts.
    private var told: KafkaFailure?
    /// When it last answered, or took an event, in the loop's ms.
    private var heardAt: UInt64 = 0
    /// The ids of its brokers, by its last answer; those first that are to be asked first when one does not answer.
    private var brokers: [Int32] = []
    /// When a client last met a failure, in the loop's ms.
    private var clientFailedAt: UInt64?
    /// By how many ms the time of day was ahead of the monotonic one when it was last looked at.
    private var wallAhead: Int64?

    init(isWatched: Bool) {
        self.isWatched = isWatched
    }

    /// A run begins, with new clients.
    mutating func begin() {
        self.clientFailedAt = nil
        self.ask()
    }

    /// It is to be asked.
    mutating func ask() {
        self.wantsAnswer = self.isWatched
    }

    // MARK: What is heard of it

    /// It answered, or took an event.
    ///
    /// - Parameters:
    ///   - now: in the loop's ms.
    ///   - wall: in ms since 1970.
    /// - Returns: how many ms it was away, if it was.
    mutating func answered(now: UInt64, wall: Int64) -> Int64? {
        self.heardAt = now
        self.wantsAnswer = false
        defer { if self.health.trouble == nil { self.told = nil } }
        return self.health.answered(at: wall)
    }

    /// It was asked and did not answer.
    mutating func failed(_ failure: KafkaFailure, at wall: Int64) {
        self.health.failed(failure, at: wall)
    }

    /// A client met a failure that it goes on trying.
    ///
    /// - Returns: whether the trouble is another one by that: it is to be told, and the cluster is asked, so that its return is seen though
    ///   nothing may be sent meanwhile.
    mutating func clientFailed(_ failure: KafkaFailure, now: UInt64, wall: Int64) -> Bool {
        self.clientFailedAt = now
        let before = self.health.trouble?.failure.code
        self.health.heard(failure, at: wall)
        guard self.isWatched, self.health.trouble?.failure.code != before else { return false }
        self.wantsAnswer = true
        return true
    }

    /// See ``TargetHealth/throttled(for:by:at:)``.
    mutating func throttled(for milliseconds: Int, by broker: String, at wall: Int64) {
        self.health.throttled(for: milliseconds, by: broker, at: wall)
    }

    /// See ``TargetHealth/producersFail(_:at:)``.
    mutating func producersFail(_ failure: KafkaFailure, at wall: Int64) {
        self.health.producersFail(failure, at: wall)
    }

    /// A producer delivers.
    mutating func producerDelivers() {
        self.health.producersLast()
    }

    /// A producer lasts: if it was down because they failed one after the other, it is asked.
    mutating func producerLasts() {
        guard self.health.trouble?.isOfProducers == true else { return }
        self.health.producersLast()
        self.ask()
    }

    /// For how long nothing was heard of it.
    func silence(now: UInt64) -> UInt64 { now - min(now, self.heardAt) }

    // MARK: Telling

    /// Its trouble, where that has not been told: a reason once, not each time it is met again.
    mutating func takeNews() -> TargetHealth.Trouble? {
        guard let trouble = self.health.trouble, trouble.failure != self.told else { return nil }
        self.told = trouble.failure
        return trouble
    }

    // MARK: Brokers

    /// It answered with its brokers.
    mutating func learned(_ brokers: [Int32]) {
        self.brokers = brokers
    }

    var hasOtherBrokers: Bool { self.brokers.count > 1 }

    /// One that was not asked for longest.
    mutating func nextBroker() -> Int32? {
        guard let broker = self.brokers.first else { return nil }
        self.brokers = self.brokers.dropFirst() + [broker]
        return broker
    }

    // MARK: The clock

    /// librdkafka waits by the time of day: a client that waits to connect again when that is set back would wait for as long as that was.
    ///
    /// - Parameters:
    ///   - ahead: ms that the time of day is ahead of the monotonic one now.
    ///   - interval: for so many ms after its failure a client may still miss a broker, though the others answer.
    /// - Returns: by how many ms it was set back, if a client may wait.
    mutating func setBack(ahead: Int64, now: UInt64, interval: Int) -> Int64? {
        defer { self.wallAhead = ahead }
        guard let before = self.wallAhead, before - ahead > 2000 else { return nil }
        let mayMissBroker = self.clientFailedAt.map { now - $0 < UInt64(interval) } ?? false
        return self.health.isUp != true || mayMissBroker ? before - ahead : nil
    }
}
