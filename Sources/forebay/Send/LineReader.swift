import Glibc

/// Lines from a file or pipe, as they come.
struct LineReader {
    enum Step {
        /// Without its line break.
        case line([UInt8], number: Int)
        /// Nothing came for a while.
        case idle
        case end
    }

    /// No event is larger; a longer line is not one that anybody meant.
    static let lineLimit = 64 << 20

    private let file: Int32
    private var bytes: [UInt8] = []
    private var position = 0
    /// Up to here there is no line break.
    private var searched = 0
    private var number = 0
    private var isAtEnd = false

    init(file: Int32) {
        self.file = file
    }

    /// - Parameter milliseconds: how long to wait; none: as long as it takes.
    mutating func next(waiting milliseconds: Int?) throws(CommandFailure) -> Step {
        while true {
            if let line = self.takeLine() { return line }
            if self.isAtEnd { return .end }
            if self.bytes.count - self.position > Self.lineLimit {
                throw CommandFailure(.failure, "line \(self.number + 1) is longer than \(Self.lineLimit) bytes")
            }
            if let milliseconds {
                var entry = pollfd(fd: self.file, events: Int16(POLLIN), revents: 0)
                if poll(&entry, 1, Int32(clamping: milliseconds)) == 0 { return .idle }
            }
            try self.fill()
        }
    }

    private mutating func takeLine() -> Step? {
        if let end = self.bytes[self.searched...].firstIndex(of: 10) {
            defer {
                self.position = end + 1
                self.searched = end + 1
            }
            return self.line(upTo: end)
        }
        self.searched = self.bytes.count
        guard self.isAtEnd, self.position < self.bytes.count else { return nil }
        defer { self.position = self.bytes.count }
        return self.line(upTo: self.bytes.count)
    }

    private mutating func line(upTo end: Int) -> Step {
        self.number += 1
        let hasReturn = end > self.position && self.bytes[end - 1] == 13
        return .line(Array(self.bytes[self.position..<(hasReturn ? end - 1 : end)]), number: self.number)
    }

    private mutating func fill() throws(CommandFailure) {
        self.bytes.removeSubrange(..<self.position)
        self.searched -= self.position
        self.position = 0
        var chunk = [UInt8](repeating: 0, count: 256 << 10)
        while true {
            let count = read(self.file, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw CommandFailure(.failure, "cannot read: \(String(cString: strerror(errno)))") }
            self.isAtEnd = count == 0
            self.bytes += chunk[..<count]
            return
        }
    }
}
