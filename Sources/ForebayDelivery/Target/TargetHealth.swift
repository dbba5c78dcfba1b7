import ForebayKafka

/// Whether the target cluster answers; if not, since when and why.
///
///     not known, up --no answer, or no broker left--> down --an answer, or a delivery--> up
///
/// Of the failures during one outage the newest counts that says something: that nobody answers says less than what a broker said before (a
/// refused login, an unknown certificate). So does that one can't be reached, as long as another refuses the login.
///
/// Where producers fail one after the other it is down whatever it answers, until one delivers or lasts.
struct TargetHealth {
    struct Trouble: Equatable {
        var failure: KafkaFailure
        /// ms since 1970.
        let since: Int64
        /// When it was last heard of.
        fileprivate(set) var heardAt: Int64
        /// Producers fail with it, one after the other.
        fileprivate(set) var isOfProducers = false
    }

    private(set) var isUp: Bool?
    private(set) var trouble: Trouble?
    /// What a broker said before the cluster was found to be away.
    private var hint: (failure: KafkaFailure, at: Int64)?

    /// A quota of the cluster, and until when it explains that nobody answers.
    private var throttle: (failure: KafkaFailure, until: Int64)?

    /// Questions that a broker does not read for a quota's sake are given up some time after it reads again; ms.
    private static let afterThrottle: Int64 = 20_000
    /// A cause that nothing has confirmed for so long gives way to any other; ms.
    private static let staleAfter: Int64 = 60_000
    /// As long to one that says something: librdkafka repeats one that lasts every 30 s.
    private static let unheardAfter: Int64 = 35_000

    /// The client met a failure that it goes on trying; one broker's failure does not make the cluster's.
    mutating func heard(_ failure: KafkaFailure, at wall: Int64) {
        if failure.code == .allBrokersDown { return self.failed(failure, at: wall) }
        let isHinted = self.hint.map { wall - $0.at < Self.staleAfter && Self.rank($0.failure) > Self.rank(failure) } ?? false
        if !isHinted { self.hint = (failure, wall) }
        if self.trouble != nil { self.failed(failure, at: wall) }
    }

    /// The cluster was asked and did not answer.
    mutating func failed(_ failure: KafkaFailure, at wall: Int64) {
        self.isUp = false
        var failure = failure
        if Self.rank(failure) == 0, let throttle, wall < throttle.until { failure = throttle.failure }
        guard let before = self.trouble else {
            var cause = failure
            if let hint, wall - hint.at < Self.staleAfter, Self.rank(hint.failure) > Self.rank(failure) { cause = hint.failure }
            self.trouble = Trouble(failure: cause, since: wall, heardAt: wall)
            return
        }
        let rank = Self.rank(failure), rankBefore = before.isOfProducers ? Int.max : Self.rank(before.failure)
        if Self.isSame(failure, before.failure) {
            self.trouble?.heardAt = wall
        } else if rank > 0 && rank >= rankBefore || wall - before.heardAt >= (rank > 0 ? Self.unheardAfter : Self.staleAfter) {
            self.trouble = Trouble(failure: failure, since: before.since, heardAt: wall)
        }
    }

    /// A broker reads nothing from this client for so many ms, by a quota. As long as it answers in time, that is none of our business.
    mutating func throttled(for milliseconds: Int, by broker: String, at wall: Int64) {
        let failure = KafkaFailure(.throttled, reason: "\(broker): a quota of the cluster holds this client up")
        self.throttle = (failure, max(self.throttle?.until ?? 0, wall + Int64(milliseconds) + Self.afterThrottle))
    }

    /// A producer failed for good, as did the one before it, and none delivered anything in between.
    mutating func producersFail(_ failure: KafkaFailure, at wall: Int64) {
        self.isUp = false
        self.trouble = Trouble(failure: failure, since: self.trouble?.since ?? wall, heardAt: wall, isOfProducers: true)
    }

    /// A producer delivers, or lasts.
    mutating func producersLast() {
        self.trouble?.isOfProducers = false
    }

    /// The cluster answered, or took an event.
    ///
    /// - Returns: how many ms it was away, if it was.
    mutating func answered(at wall: Int64) -> Int64? {
        guard self.trouble?.isOfProducers != true else { return nil }
        self.isUp = true
        self.hint = nil
        defer { self.trouble = nil }
        return self.trouble.map { max(0, wall - $0.since) }
    }

    /// Whether two failures tell the same, of whichever broker or address. librdkafka's words begin with these, and end with the cause.
    private static func isSame(_ one: KafkaFailure, _ other: KafkaFailure) -> Bool {
        guard one.code == other.code, Self.rank(one) == Self.rank(other) else { return false }
        return Self.rank(one) == 0 || Self.cause(one) == Self.cause(other)
    }

    private static func cause(_ failure: KafkaFailure) -> Substring {
        let mark = failure.reason.ranges(of: ": ").last
        return mark.map { failure.reason[$0.upperBound...] } ?? failure.reason[...]
    }

    private static func rank(_ failure: KafkaFailure) -> Int {
        if case .hold(.cluster) = KafkaFate(of: failure.code) { return 2 }
        return switch failure.code {
        case .resolve, .throttled: 2
        case .timedOut, .allBrokersDown: 0
        case .transport where failure.reason == failure.code.text: 0  // Of a question: no broker could be asked, whatever the cause.
        default: 1
        }
    }

    /// What to call it.
    static func message(for failure: KafkaFailure, isOfProducers: Bool = false) -> String {
        switch failure.code {
        case .authentication, .saslAuthenticationFailed: "the cluster refuses this client's login; events wait"
        case .ssl: "no TLS connection to the cluster; events wait"
        case .clusterAuthorizationFailed: "the cluster does not let this client produce; events wait"
        case .throttled: "a quota of the cluster holds this client up; events wait"
        default: isOfProducers ? "each producer fails before it delivers; events wait" : "the cluster does not answer; events wait"
        }
    }
}
