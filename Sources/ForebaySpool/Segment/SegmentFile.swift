import ForebayCore

/// The files in a log's folder `segments`: which of them are segments, by their names alone.
enum SegmentFile {
    static let digits = 20

    static func path(of number: UInt64, in folder: String) -> String {
        let text = String(number)
        return "\(folder)/" + String(repeating: "0", count: digits - text.count) + text + ".segment"
    }

    /// None for what is not ours to read: a copy under another name, whatever somebody left here.
    static func number(ofName name: String) -> UInt64? {
        guard name.hasSuffix(".segment"), name.utf8.count == digits + 8 else { return nil }
        let number = name.prefix(digits)
        guard number.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else { return nil }
        // No log ever comes so far; one behind it could not be numbered.
        return UInt64(number).flatMap { $0 < SpoolFormat.highestSequence ? $0 : nil }
    }

    /// Whether it is a file that was never given a segment's name: nothing in it counts.
    static func isLeftover(_ name: String) -> Bool {
        ["new", "filling", "prepared"].contains { name == $0 || name.hasPrefix("\($0)-") }
    }
}
