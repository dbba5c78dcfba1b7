import ForebayTelemetry

/// Which timestamps of producers are taken: `limits.timestamp`.
package enum TimestampRule: String, Sendable {
    /// 0, and from 2000 until a day from now: what lies elsewhere is mostly another unit, seconds or microseconds, and would be kept in
    /// Kafka for far too short or too long.
    case near
    /// All that Kafka can have.
    case any

    private static let earliest: Int64 = 946_684_800_000  // 2000-01-01T00:00:00Z
    private static let ahead: Int64 = 86_400_000

    /// Why a timestamp is not taken; none if it is.
    ///
    /// - Parameters:
    ///   - time: milliseconds since 1970, not negative.
    ///   - now: likewise.
    func fault(in time: Int64, now: Int64) -> String? {
        guard self == .near, time != 0 else { return nil }
        guard time >= Self.earliest else { return self.fault(time, "before 2000; timestamps are in milliseconds") }
        return time - Self.ahead > now ? self.fault(time, "more than a day ahead") : nil
    }

    private func fault(_ time: Int64, _ why: String) -> String {
        "\(time) is \(Timestamp.rfc3339(time)), \(why) (limits.timestamp is near; any takes it)"
    }
}
