import ForebayKafka

/// Whether the target cluster answers; if not, since when and why.
///
///     not known, up --no answer, or no broker left--> down --an answer, or a delivery--> up
///
/// Of the failures during one outage the most telling is kept: that nobody answers says less than what one broker said before (a refused
/// login, an unknown certificate).
struct TargetHealth {
    struct Trouble: Equatable {
        var failure: KafkaFailure
        /// ms since 1970.
        let since: Int64
        /// When it was last heard of.
        fileprivate(set) var heardAt: Int64
    }

    private(set) var isUp: Bool?
    private(set) var trouble: Trouble?
    /// What a broker said before the cluster was found to be away.
    private var hint: (failure: KafkaFailure, at: Int64)?

    /// A cause that nothing has confirmed for so long gives way to any other; ms.
    private static let staleAfter: Int64 = 60_000

    /// The client met a failure that it goes on trying; one broker's failure does not make the cluster's.
    mutating func heard(_ failure: KafkaFailure, at wall: Int64) {
        if failure.code == .allBrokersDown { return self.failed(failure, at: wall) }
        if let hint, wall - hint.at < Self.staleAfter, Self.rank(hint.failure) > Self.rank(failure) { return }
        self.hint = (failure, wall)
        if self.trouble != nil { self.failed(failure, at: wall) }
    }

    /// The cluster was asked and did not answer.
    mutating func failed(_ failure: KafkaFailure, at wall: Int64) {
        self.isUp = false
        guard let before = self.trouble else {
            var cause = failure
            if let hint, wall - hint.at < Self.staleAfter, Self.rank(hint.failure) > Self.rank(failure) { cause = hint.failure }
            self.trouble = Trouble(failure: cause, since: wall, heardAt: wall)
            return
        }
        if before.failure.code == failure.code {
            self.trouble?.heardAt = wall
        } else if Self.rank(failure) > Self.rank(before.failure) || wall - before.heardAt >= Self.staleAfter {
            self.trouble = Trouble(failure: failure, since: before.since, heardAt: wall)
        }
    }

    /// The cluster answered, or took an event.
    ///
    /// - Returns: how many ms it was away, if it was.
    mutating func answered(at wall: Int64) -> Int64? {
        self.isUp = true
        self.hint = nil
        defer { self.trouble = nil }
        return self.trouble.map { max(0, wall - $0.since) }
    }

    private static func rank(_ failure: KafkaFailure) -> Int {
        if case .hold(.cluster) = KafkaFate(of: failure.code) { return 2 }
        return switch failure.code {
        case .resolve: 2
        case .timedOut, .allBrokersDown: 0
        default: 1
        }
    }

    /// What to call it.
    static func message(for failure: KafkaFailure) -> String {
        switch failure.code {
        case .authentication, .saslAuthenticationFailed: "the cluster refuses this client's login; events wait"
        case .ssl: "no TLS connection to the cluster; events wait"
        case .clusterAuthorizationFailed: "the cluster does not let this client produce; events wait"
        default: "the cluster does not answer; events wait"
        }
    }
}
