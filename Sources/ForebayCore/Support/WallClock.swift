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
