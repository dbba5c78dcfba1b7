/// Puts an answer into bytes.
struct AnswerWriter {
    private var position: UnsafeMutableRawPointer

    /// More than the status line and the fields that the server adds ever take.
    private static let fixed = 256

    static func bound(fields: Int, body: Int) -> Int { Self.fixed + fields + body }

    /// Writes the answer to `memory`, which has at least ``bound(fields:body:)`` bytes. Returns its length.
    static func write(
        to memory: UnsafeMutableRawPointer, status: Int, fields: UnsafeRawBufferPointer, body: UnsafeRawBufferPointer,
        traits: RequestID.Traits,
        closes: Bool, date: UnsafeRawBufferPointer
    ) -> Int {
        var writer = AnswerWriter(position: memory)
        writer.put("HTTP/1.1 ")
        writer.put(number: status)
        writer.put(" ")
        writer.put(HTTPStatus.reason(status))
        writer.put("\r\nDate: ")
        writer.put(date)
        writer.put("\r\n")
        writer.put(fields)
        if closes {
            writer.put("Connection: close\r\n")
        } else if traits.contains(.isHTTP10) {
            writer.put("Connection: keep-alive\r\n")
        }
        guard status != 204, status != 304 else {
            writer.put("\r\n")
            return writer.position - memory
        }
        writer.put("Content-Length: ")
        writer.put(number: body.count)
        writer.put("\r\n\r\n")
        if !traits.contains(.isHead) { writer.put(body) }
        return writer.position - memory
    }

    @inline(__always)
    private mutating func put(_ text: StaticString) {
        self.position.copyMemory(from: text.utf8Start, byteCount: text.utf8CodeUnitCount)
        self.position += text.utf8CodeUnitCount
    }

    @inline(__always)
    private mutating func put(_ bytes: UnsafeRawBufferPointer) {
        guard let start = bytes.baseAddress else { return }
        self.position.copyMemory(from: start, byteCount: bytes.count)
        self.position += bytes.count
    }

    private mutating func put(number: Int) {
        var (digits, rest) = (1, number)
        while rest >= 10 { (digits, rest) = (digits + 1, rest / 10) }
        rest = number
        for index in stride(from: digits - 1, through: 0, by: -1) {
            self.position.storeBytes(of: UInt8(0x30 + rest % 10), toByteOffset: index, as: UInt8.self)
            rest /= 10
        }
        self.position += digits
    }
}
