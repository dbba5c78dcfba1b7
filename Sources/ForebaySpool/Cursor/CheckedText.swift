import ForebayCore

/// A small file of ours as text: lines of words, and last a line `crc32c` over all bytes before it. Kept in two files, so that losing one
/// loses nothing; each is replaced whole, one after the other.
enum CheckedText {
    static func encode(_ lines: [String]) -> [UInt8] {
        let text = Array((lines.joined(separator: "\n") + "\n").utf8)
        let crc = text.withUnsafeBytes { SpoolFormat.crc($0) }
        return text + Array("crc32c \(String(crc, radix: 16))\n".utf8)
    }

    /// The lines but for the last, in words. None if it is not whole.
    static func decode(_ bytes: [UInt8]) -> [[Substring]]? {
        guard let text = String(validating: bytes, as: UTF8.self), text.hasSuffix("\n") else { return nil }
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
        guard let last = lines.popLast(), last.hasPrefix("crc32c "), let crc = UInt32(last.dropFirst(7), radix: 16) else { return nil }
        let covered = bytes.count - last.utf8.count - 1
        guard bytes.withUnsafeBytes({ SpoolFormat.crc($0.part(0, covered)) }) == crc else { return nil }
        return lines.map { $0.split(separator: " ") }
    }

    /// Makes all files say this, durably.
    static func write(_ bytes: [UInt8], to names: [String], in directory: String, _ disk: any Disk) throws(ForebayError) {
        for name in names {
            let new = "\(directory)/\(name).new"
            for path in [new, "\(directory)/\(name)"] { try Folder(disk).putAsideUnlessFile(path, of: directory) }
            let file = try disk.open(new, [.write, .create, .truncate])
            try file.write(bytes, at: 0)
            try file.sync()
            try Folder(disk).rename(new, to: "\(directory)/\(name)")
        }
    }

    /// What a file holds; none if it is no file.
    static func bytes(of path: String, _ disk: any Disk) throws(ForebayError) -> [UInt8]? {
        guard try disk.kind(of: path) == .file else { return nil }
        let file = try disk.open(path, [])
        return try file.bytesTolerant(at: 0, count: try file.size())
    }

    /// Any text as one word.
    static func escaped(_ text: String) -> String {
        var word = ""
        for byte in text.utf8 {
            if byte > 0x20, byte < 0x7F, byte != UInt8(ascii: "%") {
                word.unicodeScalars.append(Unicode.Scalar(byte))
            } else {
                word += "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
            }
        }
        return word
    }

    static func unescaped(_ word: Substring) -> String? {
        var bytes: [UInt8] = []
        var rest = Array(word.utf8)[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            let digits = rest.prefix(2)
            guard digits.count == 2, let value = UInt8(String(decoding: digits, as: UTF8.self), radix: 16) else { return nil }
            bytes.append(value)
            rest = rest.dropFirst(2)
        }
        return String(validating: bytes, as: UTF8.self)
    }

    static func spoolID(_ word: Substring) -> SpoolID? {
        guard word.utf8.count == SpoolID.length else { return nil }
        return Array(word.utf8).withUnsafeBytes { SpoolID(characters: $0) }
    }
}
