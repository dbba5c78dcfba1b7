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
