import Glibc

/// The time of day, for what users see: timestamps and ages. It never decides order, expiry or recovery.
package enum WallClock {
    /// Milliseconds since 1970.
    package static var milliseconds: Int64 {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        return Self.milliseconds(now)
    }

    static func milliseconds(_ time: timespec) -> Int64 { Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000 }
}

/// Time that only moves forward, for measuring and waiting.
package enum MonotonicClock {
    package static var nanoseconds: UInt64 {
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        return Self.nanoseconds(now)
    }

    static func nanoseconds(_ time: timespec) -> UInt64 { UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec) }
}
