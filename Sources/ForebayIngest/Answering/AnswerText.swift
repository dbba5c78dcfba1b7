import ForebayCore
import ForebayHTTP
import Glibc

/// Writes the JSON of an answer into a buffer that is used again and again: no string is made for a 202.
struct AnswerText: ~Copyable {
    static let fields: StaticString = "Content-Type: application/json\r\n"
    static let problemFields: StaticString = "Content-Type: application/problem+json\r\n"

    /// The id of an event, as the answer tells it.
    enum ID {
        case own(UnsafeRawBufferPointer)
        case derived(SpoolID, UInt64)
    }

    private var buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1024, alignment: 16)
    private var used = 0

    deinit { self.buffer.deallocate() }

    /// `{"accepted":N,"durability":"durable","id":"…","last_id":"…"}`. Valid until the next call.
    mutating func durable(count: Int, first: ID, last: ID) -> UnsafeRawBufferPointer {
        self.used = 0
        self.put(#"{"accepted":"#)
        self.put(number: count)
        self.put(#","durability":"durable","id":"#)
        self.put(first)
        self.put(#","last_id":"#)
        self.put(last)
        self.put("}")
        return UnsafeRawBufferPointer(rebasing: self.buffer[..<self.used])
    }

    /// `{"accepted":N,"durability":"kafka","records":[{"partition":0,"offset":12}]}`. Valid until the next call.
    mutating func kafka(_ records: [Settlement]) -> UnsafeRawBufferPointer {
        self.used = 0
        self.put(#"{"accepted":"#)
        self.put(number: records.count)
        self.put(#","durability":"kafka""#)
        self.put(records: records)
        return UnsafeRawBufferPointer(rebasing: self.buffer[..<self.used])
    }

    /// A problem document that has the same beside: `"accepted":N,"records":[{"partition":0,"offset":12},{"error":"MSG_SIZE_TOO_LARGE",
    /// "dead_letter":3}]`. Valid until the next call.
    mutating func refusedByKafka(_ records: [Settlement], of request: RequestID) -> UnsafeRawBufferPointer {
        let refused = records.count(where: \.isRefusal)
        self.used = 0
        self.put(#"{"type":"/problems/refused_by_kafka","title":"Unprocessable Content","status":422,"detail":""#)
        self.put(number: refused)
        self.put(" of ")
        self.put(number: records.count)
        self.put(#" events were refused by Kafka for good; they are durable, in the dead letters","code":"refused_by_kafka","#)
        self.put(#""retryable":false,"request_id":""#)
        var id = request.description
        id.withUTF8 { for byte in $0 { self.put(byte: byte) } }
        self.put(#"","accepted":"#)
        self.put(number: records.count)
        self.put(records: records)
        return UnsafeRawBufferPointer(rebasing: self.buffer[..<self.used])
    }

    private mutating func put(records: [Settlement]) {
        self.put(#","records":["#)
        for (index, record) in records.enumerated() {
            if index > 0 { self.put(",") }
            switch record {
            case .record(let partition, let offset):
                self.put(#"{"partition":"#)
                self.put(number: Int(partition))
                self.put(#","offset":"#)
                self.put(number: Int(offset))
            case .dead(let code, let letter):
                self.put(#"{"error":"#)
                var code = code
                code.withUTF8 { self.put(quoted: UnsafeRawBufferPointer($0)) }
                self.put(#","dead_letter":"#)
                self.put(number: Int(clamping: letter))
            }
            self.put("}")
        }
        self.put("]}")
    }

    private mutating func put(byte: UInt8) {
        self.reserve(1)
        self.buffer[self.used] = byte
        self.used += 1
    }

    private mutating func put(_ id: ID) {
        switch id {
        case .own(let bytes): self.put(quoted: bytes)
        case .derived(let origin, let sequence):
            self.reserve(EventID.length + 2)
            self.buffer[self.used] = UInt8(ascii: "\"")
            EventID.write(origin: origin, sequence: sequence, to: self.buffer.baseAddress! + self.used + 1)
            self.buffer[self.used + EventID.length + 1] = UInt8(ascii: "\"")
            self.used += EventID.length + 2
        }
    }

    /// UTF-8 without control characters, so that only quotes and backslashes need an escape.
    private mutating func put(quoted bytes: UnsafeRawBufferPointer) {
        self.reserve(bytes.count * 2 + 2)
        func put(_ byte: UInt8) {
            self.buffer[self.used] = byte
            self.used += 1
        }
        put(UInt8(ascii: "\""))
        for byte in bytes {
            if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { put(UInt8(ascii: "\\")) }
            put(byte)
        }
        put(UInt8(ascii: "\""))
    }

    @inline(__always)
    private mutating func put(_ text: StaticString) {
        self.reserve(text.utf8CodeUnitCount)
        memcpy(self.buffer.baseAddress! + self.used, text.utf8Start, text.utf8CodeUnitCount)
        self.used += text.utf8CodeUnitCount
    }

    private mutating func put(number: Int) {
        self.reserve(20)
        var rest = number.magnitude
        if number < 0 {
            self.buffer[self.used] = UInt8(ascii: "-")
            self.used += 1
        }
        var digits = 1
        var power: UInt = 10
        while digits < 19 && rest >= power { (digits, power) = (digits + 1, power &* 10) }
        for place in stride(from: self.used + digits - 1, through: self.used, by: -1) {
            self.buffer[place] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
            rest /= 10
        }
        self.used += digits
    }

    @inline(__always)
    private mutating func reserve(_ count: Int) {
        if self.used + count > self.buffer.count { self.grow(by: count) }
    }

    private mutating func grow(by count: Int) {
        let grown = UnsafeMutableRawBufferPointer.allocate(byteCount: max(self.buffer.count * 2, self.used + count), alignment: 16)
        grown.copyMemory(from: UnsafeRawBufferPointer(rebasing: self.buffer[..<self.used]))
        self.buffer.deallocate()
        self.buffer = grown
    }
}
