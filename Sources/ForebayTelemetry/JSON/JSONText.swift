/// Strings as JSON text.
package enum JSONText {
    /// `value` in quotes.
    package static func quoted(_ value: some StringProtocol) -> String {
        var bytes: [UInt8] = []
        self.append(String(value), to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Appends `value` in quotes.
    ///
    /// Beside what RFC 8259 demands, everything that a terminal or an editor obeys instead of showing is escaped
    /// (``Unicode/Scalar/isObeyed``): what a client sent may be read by an operator with `tail`.
    package static func append(_ value: String, to bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "\""))
        if value.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") }) {
            bytes.append(contentsOf: value.utf8)
        } else {
            for scalar in value.unicodeScalars { Self.append(scalar, to: &bytes) }
        }
        bytes.append(UInt8(ascii: "\""))
    }

    private static func append(_ scalar: Unicode.Scalar, to bytes: inout [UInt8]) {
        switch scalar {
        case "\"": bytes.append(contentsOf: #"\""#.utf8)
        case "\\": bytes.append(contentsOf: #"\\"#.utf8)
        case "\n": bytes.append(contentsOf: #"\n"#.utf8)
        case "\r": bytes.append(contentsOf: #"\r"#.utf8)
        case "\t": bytes.append(contentsOf: #"\t"#.utf8)
        case let scalar where scalar.isObeyed:  // All of them lie in the basic plane, so one escape is enough.
            bytes.append(contentsOf: #"\u"#.utf8)
            for shift in [12, 8, 4, 0] as [UInt32] { bytes.append(Self.hexDigit(scalar.value >> shift & 0xF)) }
        default: bytes.append(contentsOf: UTF8.encode(scalar)!)
        }
    }

    static func hexDigit(_ nibble: UInt32) -> UInt8 {
        UInt8(truncatingIfNeeded: nibble < 10 ? 48 + nibble : 87 + nibble)
    }
}

extension Unicode.Scalar {
    /// Controls (C0, DEL, C1), line and paragraph separators, and those that turn the direction of what follows: a line with them in it can
    /// look like two lines, or like another one.
    package var isObeyed: Bool {
        switch self.value {
        case 0..<0x20, 0x7F...0x9F, 0x061C, 0x200E...0x200F, 0x2028...0x202E, 0x2066...0x2069: true
        default: false
        }
    }
}
