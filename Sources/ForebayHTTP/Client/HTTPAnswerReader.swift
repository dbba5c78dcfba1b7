/// Reads one answer from bytes that come in pieces: head, then body by length, in chunks, or up to the end.
///
///     head --1xx--> head
///     head --204, 304, HEAD, length 0--> done
///     head --Content-Length--> counted --all there--> done
///     head --chunked--> chunked --last chunk and trailers--> done
///     head --neither--> open --end of stream--> done
struct HTTPAnswerReader {
    private enum Framing {
        case head
        case counted(Int)
        case chunked
        case open
        case done
    }

    /// All fields together, and all chunk headers and trailers together.
    private static let headLimit = 64 << 10

    private let isHead: Bool
    private let bodyLimit: Int
    private var framing = Framing.head
    private var bytes: [UInt8] = []
    private var position = 0
    private var overhead = 0
    private var status = 0
    private var headers: [(name: String, value: String)] = []
    private var body: [UInt8] = []
    private(set) var keepsAlive = false
    /// Whether anything at all has come.
    private(set) var hasBegun = false

    init(isHead: Bool, bodyLimit: Int) {
        self.isHead = isHead
        self.bodyLimit = bodyLimit
    }

    /// - Returns: the answer when it is whole.
    mutating func take(_ piece: UnsafeRawBufferPointer) throws(HTTPClientError) -> HTTPClientResponse? {
        self.hasBegun = self.hasBegun || !piece.isEmpty
        self.bytes.append(contentsOf: piece)
        while try self.step() {}
        self.bytes.removeSubrange(..<self.position)
        self.position = 0
        return self.finished
    }

    /// The other side has closed.
    mutating func end() throws(HTTPClientError) -> HTTPClientResponse {
        if case .open = self.framing { self.framing = .done }
        guard let response = self.finished else {
            throw HTTPClientError(
                .connectionLost, self.hasBegun ? "the connection ended within the answer" : "the connection ended without an answer")
        }
        return response
    }

    private var finished: HTTPClientResponse? {
        guard case .done = self.framing else { return nil }
        return HTTPClientResponse(status: self.status, headers: self.headers, body: self.body)
    }

    /// - Returns: whether it got anywhere.
    private mutating func step() throws(HTTPClientError) -> Bool {
        switch self.framing {
        case .done:
            if self.position < self.bytes.count { self.keepsAlive = false }  // Something nobody asked for.
            return false
        case .head: return try self.head()
        case .counted(let left):
            let count = min(left, self.bytes.count - self.position)
            self.keep(count)
            self.framing = left == count ? .done : .counted(left - count)
            return count > 0
        case .chunked: return try self.chunk()
        case .open:
            let count = self.bytes.count - self.position
            guard self.body.count + count <= self.bodyLimit else { throw Self.tooLarge(self.bodyLimit) }
            self.keep(count)
            return false
        }
    }

    private mutating func keep(_ count: Int) {
        self.body += self.bytes[self.position..<self.position + count]
        self.position += count
    }

    // MARK: Head

    private mutating func head() throws(HTTPClientError) -> Bool {
        guard let end = self.endOfHead() else {
            if self.bytes.count - self.position > Self.headLimit { throw Self.bad("its head is larger than \(Self.headLimit) bytes") }
            return false
        }
        let lines = String(decoding: self.bytes[self.position..<end], as: UTF8.self).split(
            separator: "\r\n", omittingEmptySubsequences: false)
        self.position = end + 4
        guard let first = lines.first, first.hasPrefix("HTTP/1."), first.utf8.count >= 12 else { throw Self.bad("it is not HTTP/1") }
        let isOld = first.hasPrefix("HTTP/1.0")
        guard let status = Int(first.dropFirst(9).prefix(3)), (100...999).contains(status) else { throw Self.bad("it has no status") }
        if (100..<200).contains(status), status != 101 { return true }
        self.status = status
        self.headers = try lines.dropFirst().map { (line) throws(HTTPClientError) in try Self.field(line) }
        let connection = self.tokens("connection")
        self.keepsAlive = isOld ? connection.contains("keep-alive") : !connection.contains("close")
        self.framing = try self.bodyFraming()
        if case .open = self.framing { self.keepsAlive = false }
        return true
    }

    private func endOfHead() -> Int? {
        let mark: [UInt8] = [13, 10, 13, 10]
        var place = self.position
        while place + 4 <= self.bytes.count {
            if self.bytes[place] == 13, self.bytes[place..<place + 4].elementsEqual(mark) { return place }
            place += 1
        }
        return nil
    }

    private static func field(_ line: Substring) throws(HTTPClientError) -> (name: String, value: String) {
        guard let colon = line.firstIndex(of: ":"), colon != line.startIndex, line.first != " ", line.first != "\t" else {
            throw Self.bad("it has a broken field")
        }
        var value = line[line.index(after: colon)...]
        while let first = value.first, first == " " || first == "\t" { value.removeFirst() }
        while let last = value.last, last == " " || last == "\t" { value.removeLast() }
        return (line[..<colon].lowercased(), String(value))
    }

    private func tokens(_ name: String) -> [String] {
        self.headers.filter { $0.name == name }.flatMap { $0.value.split(separator: ",") }.map {
            $0.lowercased().filter { $0 != " " && $0 != "\t" }
        }
    }

    private func bodyFraming() throws(HTTPClientError) -> Framing {
        if self.isHead || self.status == 204 || self.status == 304 { return .done }
        let codings = self.tokens("transfer-encoding")
        let lengths = Set(self.headers.filter { $0.name == "content-length" }.map(\.value))
        if !codings.isEmpty {
            guard codings == ["chunked"], lengths.isEmpty else { throw Self.bad("its length can't be known") }
            return .chunked
        }
        guard let length = lengths.first else { return .open }
        guard lengths.count == 1, length.utf8.count < 19, length.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let count = Int(length)
        else {
            throw Self.bad("its length can't be known")
        }
        guard count <= self.bodyLimit else { throw Self.tooLarge(self.bodyLimit) }
        return count == 0 ? .done : .counted(count)
    }

    // MARK: Chunks

    private mutating func chunk() throws(HTTPClientError) -> Bool {
        guard let line = try self.line(after: self.position) else { return false }
        let digits = self.bytes[self.position..<line].prefix { $0 != UInt8(ascii: ";") && $0 != 0x20 }
        guard (1...15).contains(digits.count), let size = Int(String(decoding: digits, as: UTF8.self), radix: 16), size >= 0,
            digits.first != UInt8(ascii: "+")
        else { throw Self.bad("it has a broken chunk") }
        let start = line + 2
        if size == 0 { return try self.trailers(start) }
        guard self.body.count + size <= self.bodyLimit else { throw Self.tooLarge(self.bodyLimit) }
        guard self.bytes.count >= start + size + 2 else { return false }
        guard self.bytes[start + size] == 13, self.bytes[start + size + 1] == 10 else { throw Self.bad("it has a broken chunk") }
        self.overhead += start - self.position
        if self.overhead > self.bodyLimit + Self.headLimit { throw Self.bad("its chunks are mostly headers") }
        self.position = start
        self.keep(size)
        self.position += 2
        return true
    }

    /// Read and dropped.
    private mutating func trailers(_ start: Int) throws(HTTPClientError) -> Bool {
        var place = start
        while let line = try self.line(after: place) {
            if line - start > Self.headLimit { throw Self.bad("its trailers are too large") }
            if line == place {
                self.position = line + 2
                self.framing = .done
                return true
            }
            place = line + 2
        }
        return false
    }

    /// Where the line break is that ends the line.
    private func line(after start: Int) throws(HTTPClientError) -> Int? {
        var place = start
        while place + 2 <= self.bytes.count {
            if self.bytes[place] == 13, self.bytes[place + 1] == 10 { return place }
            place += 1
        }
        if place - start > Self.headLimit { throw Self.bad("a line of it is too long") }
        return nil
    }

    private static func bad(_ why: String) -> HTTPClientError {
        HTTPClientError(.badAnswer, "the answer can't be read: \(why)")
    }

    private static func tooLarge(_ limit: Int) -> HTTPClientError {
        HTTPClientError(.badAnswer, "the answer is larger than \(limit) bytes")
    }
}
