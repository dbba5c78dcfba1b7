/// Sizes as users write them: `512`, `64KiB`, `8MiB`, `50GiB`, `2TiB`.
package enum ByteCount {
    private static let units: [(suffix: String, factor: UInt64)] = [
        ("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1),
    ]

    /// - Returns: bytes; none for anything but a whole number with a known unit that fits 63 bits.
    package static func parse(_ text: String) -> Int? {
        for unit in self.units where text.hasSuffix(unit.suffix) {
            return self.scaled(text.dropLast(unit.suffix.count), by: unit.factor)
        }
        return self.scaled(text[...], by: 1)
    }

    private static func scaled(_ digits: Substring, by factor: UInt64) -> Int? {
        guard let number = UInt64(digits), digits.utf8.allSatisfy({ $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }) else {
            return nil
        }
        let (bytes, overflow) = number.multipliedReportingOverflow(by: factor)
        return overflow ? nil : Int(exactly: bytes)
    }

    /// The same notation, in the largest unit that leaves a whole number.
    package static func text(_ bytes: Int) -> String {
        for unit in self.units where bytes > 0 && UInt64(bytes) % unit.factor == 0 && unit.factor > 1 {
            return "\(UInt64(bytes) / unit.factor)\(unit.suffix)"
        }
        return "\(bytes)"
    }
}

/// Lengths of time as users write them: `250ms`, `30s`, `5m`, `2h`, `7d`.
package enum DurationText {
    private static let units: [(suffix: String, milliseconds: Int)] = [
        ("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000),
    ]

    /// - Returns: milliseconds; none for anything but a whole number with a known unit.
    package static func parse(_ text: String) -> Int? {
        for unit in self.units where text.hasSuffix(unit.suffix) {
            let digits = text.dropLast(unit.suffix.count)
            guard let number = Int(digits), digits.utf8.allSatisfy({ $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }) else { continue }
            let (milliseconds, overflow) = number.multipliedReportingOverflow(by: unit.milliseconds)
            return overflow ? nil : milliseconds
        }
        return nil
    }

    package static func text(milliseconds: Int) -> String {
        for unit in self.units.reversed() where milliseconds > 0 && milliseconds % unit.milliseconds == 0 {
            return "\(milliseconds / unit.milliseconds)\(unit.suffix)"
        }
        return "\(milliseconds)ms"
    }
}
