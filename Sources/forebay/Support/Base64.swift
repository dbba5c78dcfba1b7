/// RFC 4648's base 64, with padding.
enum Base64 {
    /// - Returns: none for anything but what ``encode(_:)`` writes.
    static func decode(_ text: String) -> [UInt8]? {
        var bytes: [UInt8] = []
        var (group, held) = (0, 0)
        for character in text.utf8 where character != UInt8(ascii: "=") {
            guard let value = Self.alphabet.firstIndex(of: character) else { return nil }
            group = (group << 6 | value) & 0xFFFF_FFFF
            held += 6
            if held >= 8 {
                held -= 8
                bytes.append(UInt8(truncatingIfNeeded: group >> held))
            }
        }
        return Self.encode(bytes) == text ? bytes : nil
    }

    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    static func encode(_ bytes: some Collection<UInt8>) -> String {
        var text: [UInt8] = []
        text.reserveCapacity((bytes.count + 2) / 3 * 4)
        var (group, held) = (0, 0)
        for byte in bytes {
            group = group << 8 | Int(byte)
            held += 1
            guard held == 3 else { continue }
            for shift in [18, 12, 6, 0] { text.append(Self.alphabet[group >> shift & 63]) }
            (group, held) = (0, 0)
        }
        if held == 1 { text += [Self.alphabet[group >> 2], Self.alphabet[group << 4 & 63], 61, 61] }
        if held == 2 { text += [Self.alphabet[group >> 10], Self.alphabet[group >> 4 & 63], Self.alphabet[group << 2 & 63], 61] }
        return String(decoding: text, as: UTF8.self)
    }
}
