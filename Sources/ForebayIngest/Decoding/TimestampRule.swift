import ForebayTelemetry

/// Which timestamps of producers are taken: `limits.timestamp`.
package enum TimestampRule: String, Sendable {
    /// 0, and from 2000 until a day from now: what lies elsewhere is mostly another unit, seconds or microseconds, and would be kept in
    /// Kafka for far too short or too long.
    case near
    /// All that Kafka can have.
    case any

    private static let earliest: Int64 = 946_684_800_000  // 2000-01-01T00:00:00Z
    private static let lastOfRFC3339: Int64 = 253_402_300_799_999  // 9999-12-31T23:59:59.999Z
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
        // RFC 3339 has years of four digits.
        let date = time > Self.lastOfRFC3339 ? "after the year 9999" : Timestamp.rfc3339(time)
        return "\(time) is \(date), \(why) (limits.timestamp is near; any takes it)"
    }
}

/// Whether the node's own clock can be right. What it says becomes the time of events that bring none, and of their acceptance; and Kafka
/// deletes at once what is older than a topic's retention. A board without a battery starts in 1970, until NTP has set it.
package enum ClockRule {
    private static let earliest: Int64 = 1_735_689_600_000  // 2025-01-01T00:00:00Z: this program is younger.

    /// Why it can't be right; none if it may be.
    ///
    /// - Parameter now: milliseconds since 1970.
    package static func fault(at now: Int64) -> String? {
        guard now < Self.earliest else { return nil }
        return "the clock of this node says \(Timestamp.rfc3339(now)), which is past: set it, by NTP or timedatectl"
    }
}
