import Glibc

/// Times as people and log stores read them.
package enum Timestamp {
    /// Milliseconds since 1970, of the wall clock.
    package static func now() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }

    /// Milliseconds of a clock that only rises, for windows and ages.
    package static func monotonic() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }

    /// RFC 3339 in UTC with milliseconds: `2026-08-01T09:30:00.125Z`.
    package static func rfc3339(_ milliseconds: Int64) -> String {
        var bytes: [UInt8] = []
        Self.append(milliseconds, to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The same, onto the end of a line.
    package static func append(_ milliseconds: Int64, to line: inout [UInt8]) {
        let (days, rest) = milliseconds.dividedFloor(by: 86_400_000)
        let (year, month, day) = Self.civil(daysSince1970: days)
        Self.append(year, digits: 4, to: &line)
        for part in [month, day] {
            line.append(UInt8(ascii: "-"))
            Self.append(part, digits: 2, to: &line)
        }
        for (mark, part, digits) in [
            ("T" as Unicode.Scalar, rest / 3_600_000, 2), (":", rest / 60_000 % 60, 2), (":", rest / 1000 % 60, 2), (".", rest % 1000, 3),
        ] {
            line.append(UInt8(ascii: mark))
            Self.append(part, digits: digits, to: &line)
        }
        line.append(UInt8(ascii: "Z"))
    }

    private static func append(_ number: Int64, digits: Int, to line: inout [UInt8]) {
        var divisor: Int64 = 1
        for _ in 1..<digits { divisor *= 10 }
        while divisor > 0 {
            line.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: abs(number / divisor) % 10))
            divisor /= 10
        }
    }

    /// The Gregorian date of a day. Years are counted from March, so that the leap day comes last and months need no table.
    private static func civil(daysSince1970 days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let (era, dayOfEra) = (days + 719_468).dividedFloor(by: 146_097)  // 400 years; 719,468 days lie between 0000-03-01 and 1970.
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let marchMonth = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * marchMonth + 2) / 5 + 1
        let month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
    }
}

extension Int64 {
    /// Rounds towards minus infinity, so that times before 1970 have a remainder that is not negative.
    fileprivate func dividedFloor(by divisor: Int64) -> (quotient: Int64, remainder: Int64) {
        let (quotient, remainder) = self.quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
    }
}
