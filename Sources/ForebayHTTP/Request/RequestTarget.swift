/// The target of a request line: which forms are taken, and where path and query stand.
///
///     "/path?query"   |   "http://authority/path?query" (authority = Host)   |   "*" for OPTIONS
enum RequestTarget {
    static func split(_ head: inout FramedHead, base: UnsafePointer<UInt8>, classes: ByteClasses) -> HTTPRefusal? {
        let start = Int(head.target.start)
        let end = start + Int(head.target.count)
        if base[start] == UInt8(ascii: "/") { return self.pathAndQuery(&head, base, start, end, classes) }
        if end - start == 1 && base[start] == UInt8(ascii: "*") {
            head.path = head.target
            return head.method == .options ? nil : .target
        }
        return self.absolute(&head, base, start, end, classes)
    }

    private static func absolute(_ head: inout FramedHead, _ base: UnsafePointer<UInt8>, _ start: Int, _ end: Int, _ classes: ByteClasses)
        -> HTTPRefusal?
    {
        guard end - start > 7, UnsafeRawBufferPointer(start: base + start, count: 7).equalsIgnoringCase("http://") else { return .target }
        var index = start + 7
        while index < end && base[index] != UInt8(ascii: "/") && base[index] != UInt8(ascii: "?") { index += 1 }
        head.authority = Span32(start + 7..<index)
        guard HostRule.isValid(head.authority.bytes(in: base), classes) else { return .target }
        return self.pathAndQuery(&head, base, index, end, classes)
    }

    private static func pathAndQuery(
        _ head: inout FramedHead, _ base: UnsafePointer<UInt8>, _ start: Int, _ end: Int, _ classes: ByteClasses
    ) -> HTTPRefusal? {
        var query = end
        var index = start
        while index < end {
            let byte = base[index]
            guard classes.isTarget(byte) else { return .target }
            if byte == UInt8(ascii: "?") && query == end { query = index }
            if byte == UInt8(ascii: "%") {
                guard index + 2 < end, let high = base[index + 1].hexValue, let low = base[index + 2].hexValue else { return .targetEscape }
                if query == end {
                    let value = high << 4 | low
                    guard value != 0, value != UInt8(ascii: "/") else { return .targetEscape }
                    head.isPathEscaped = true
                }
                index += 2
            }
            index += 1
        }
        head.path = Span32(start..<query)
        head.query = Span32(Swift.min(query + 1, end)..<end)
        return nil
    }

    /// Decodes a path whose escapes have been checked, once. Returns its length.
    static func decode(_ path: UnsafeRawBufferPointer, into memory: UnsafeMutableRawPointer) -> Int {
        var (read, written) = (0, 0)
        while read < path.count {
            var byte = path[read]
            if byte == UInt8(ascii: "%"), read + 2 < path.count, let high = path[read + 1].hexValue, let low = path[read + 2].hexValue {
                byte = high << 4 | low
                read += 2
            }
            memory.storeBytes(of: byte, toByteOffset: written, as: UInt8.self)
            (read, written) = (read + 1, written + 1)
        }
        return written
    }
}

/// A host's name or address, and perhaps a port.
enum HostRule {
    static func isValid(_ bytes: UnsafeRawBufferPointer, _ classes: ByteClasses) -> Bool {
        var index = 0
        if bytes.first == UInt8(ascii: "[") {
            index = 1
            while index < bytes.count,
                bytes[index].hexValue != nil || bytes[index] == UInt8(ascii: ":") || bytes[index] == UInt8(ascii: ".")
            { index += 1 }
            guard index > 1, index < bytes.count, bytes[index] == UInt8(ascii: "]") else { return false }
            index += 1
        } else {
            while index < bytes.count && classes.isHost(bytes[index]) { index += 1 }
            guard index > 0 else { return false }
        }
        guard index < bytes.count else { return true }
        let port = bytes[(index + 1)...]
        return bytes[index] == UInt8(ascii: ":") && port.count <= 5 && port.allSatisfy(\.isDigit)
    }
}
