/// The lines of NDJSON: LF or CRLF ends one, the last may end with the body, and lines of white space alone are passed over.
struct LineSplitter {
    private let body: UnsafeRawBufferPointer
    private var at = 0
    /// Of the line that `next` gave last, from 1, the ones passed over included.
    private(set) var number = 0

    init(_ body: UnsafeRawBufferPointer) {
        self.body = body
    }

    /// The next line's own bytes without its end.
    @inline(__always)
    mutating func next() -> UnsafeRawBufferPointer? {
        while self.at < self.body.count {
            let start = self.at
            let newline = self.body.offset(of: 0x0A, from: start)
            var end = newline ?? self.body.count
            self.at = end + 1
            self.number += 1
            if newline != nil, end > start, self.body[end - 1] == 0x0D { end -= 1 }
            let line = self.body.slice(start..<end)
            if let first = line.first, first > 0x20 || line.contains(where: { !JSONScanner.isSpace($0) }) { return line }
        }
        return nil
    }
}
