/// Reads a chunked body, strictly.
///
///     *( size [ ";" extension ] CRLF data CRLF ) "0" [ ";" extension ] CRLF *( trailer CRLF ) CRLF
///
/// Extensions and trailers are checked, bounded and dropped, but for trailers that the header alone may have. A size has at most 16 digits,
/// an extension no blanks.
struct ChunkedFraming {
    enum Outcome {
        case more
        /// The message ended; so many of the bytes were its own.
        case complete(consumed: Int)
        case refused(HTTPRefusal)
    }

    private enum State {
        case sizeStart, size, extensionName, extensionValue, quoted, quotedPair, afterQuote, sizeLF
        case data, dataCR, dataLF
        case trailerStart, trailerName, trailerValue, trailerLF, endLF
    }

    private var state = State.sizeStart
    private var size: UInt64 = 0
    private var digits = 0
    private var tokenLength = 0
    private(set) var bodyCount: UInt64 = 0
    private var overhead: UInt64 = 0
    private var trailerCount = 0
    /// How much of the name that is coming is the beginning of ``HTTPLimits/headerOnly``; none: it is another name.
    private var matched: Int?

    /// - Parameter bodyLimit: The most bytes of data; a chunk that would pass it is refused at its size.
    mutating func consume(
        _ bytes: UnsafeRawBufferPointer, into store: inout ByteStore, bodyLimit: UInt64, limits: HTTPLimits
    ) -> Outcome {
        var index = 0
        while index < bytes.count {
            if self.state == .data {
                let count = Int(Swift.min(self.size, UInt64(bytes.count - index)))
                store.append(UnsafeRawBufferPointer(rebasing: bytes[index..<index + count]))
                self.size -= UInt64(count)
                self.bodyCount += UInt64(count)
                index += count
                if self.size == 0 { self.state = .dataCR }
                continue
            }
            self.overhead += 1
            if self.overhead > UInt64(limits.chunkOverhead) + 8 * self.bodyCount { return .refused(.tooMuchChunkOverhead(limits)) }
            if let refusal = self.step(bytes[index], bodyLimit, limits) { return .refused(refusal) }
            index += 1
            if self.isComplete { return .complete(consumed: index) }
        }
        return .more
    }

    private var isComplete = false

    private mutating func step(_ byte: UInt8, _ bodyLimit: UInt64, _ limits: HTTPLimits) -> HTTPRefusal? {
        switch self.state {
        case .sizeStart, .size, .extensionName, .extensionValue, .quoted, .quotedPair, .afterQuote, .sizeLF:
            return self.sizeLine(byte, bodyLimit, limits)
        case .data: return nil  // Taken in runs, above.
        case .dataCR: return self.expect(byte, 0x0D, then: .dataLF)
        case .dataLF: return self.expect(byte, 0x0A, then: .sizeStart)
        case .trailerStart, .trailerName, .trailerValue, .trailerLF, .endLF:
            return self.trailerLine(byte, limits)
        }
    }

    private mutating func expect(_ byte: UInt8, _ wanted: UInt8, then state: State) -> HTTPRefusal? {
        guard byte == wanted else { return .chunk }
        self.state = state
        return nil
    }

    // MARK: The line before a chunk

    private mutating func sizeLine(_ byte: UInt8, _ bodyLimit: UInt64, _ limits: HTTPLimits) -> HTTPRefusal? {
        switch self.state {
        case .sizeStart:
            guard let digit = byte.hexValue else { return .chunk }
            (self.size, self.digits, self.state) = (UInt64(digit), 1, .size)
        case .size:
            guard let digit = byte.hexValue else { return self.afterPart(byte, bodyLimit, limits) }
            guard self.digits < 16 else { return .chunk }
            self.size = self.size << 4 | UInt64(digit)
            self.digits += 1
        case .extensionName, .extensionValue:
            return self.extensionPart(byte, bodyLimit, limits)
        case .quoted:
            if byte == UInt8(ascii: "\"") {
                self.state = .afterQuote
            } else if byte == UInt8(ascii: "\\") {
                self.state = .quotedPair
            } else if byte < 0x20 && byte != 0x09 || byte == 0x7F {
                return .chunk
            }
        case .quotedPair:
            guard byte >= 0x20, byte != 0x7F else { return .chunk }
            self.state = .quoted
        case .afterQuote: return self.afterPart(byte, bodyLimit, limits)
        default: return self.sizeEnd(byte)
        }
        return nil
    }

    private mutating func extensionPart(_ byte: UInt8, _ bodyLimit: UInt64, _ limits: HTTPLimits) -> HTTPRefusal? {
        if byte.isTokenByte {
            self.tokenLength += 1
            return nil
        }
        if self.state == .extensionValue && self.tokenLength == 0 && byte == UInt8(ascii: "\"") {
            self.state = .quoted
            return nil
        }
        guard self.tokenLength > 0 else { return .chunk }
        if self.state == .extensionName && byte == UInt8(ascii: "=") {
            (self.state, self.tokenLength) = (.extensionValue, 0)
            return nil
        }
        return self.afterPart(byte, bodyLimit, limits)
    }

    /// After the size, or after a whole extension.
    private mutating func afterPart(_ byte: UInt8, _ bodyLimit: UInt64, _ limits: HTTPLimits) -> HTTPRefusal? {
        if byte == UInt8(ascii: ";") {
            (self.state, self.tokenLength) = (.extensionName, 0)
            return nil
        }
        guard byte == 0x0D else { return .chunk }
        self.state = .sizeLF
        return self.size > bodyLimit - Swift.min(bodyLimit, self.bodyCount) ? .bodyTooLarge(bodyLimit, limits) : nil
    }

    private mutating func sizeEnd(_ byte: UInt8) -> HTTPRefusal? {
        self.expect(byte, 0x0A, then: self.size == 0 ? .trailerStart : .data)
    }

    // MARK: Trailers

    private mutating func trailerLine(_ byte: UInt8, _ limits: HTTPLimits) -> HTTPRefusal? {
        switch self.state {
        case .trailerStart:
            if byte == 0x0D {
                self.state = .endLF
                return nil
            }
            self.trailerCount += 1
            guard byte.isTokenByte, self.trailerCount <= limits.fields else { return byte.isTokenByte ? .tooManyFields(limits) : .chunk }
            self.state = .trailerName
            self.matched = 0
            return self.match(byte, limits)
        case .trailerName:
            if byte == UInt8(ascii: ":") {
                self.state = .trailerValue
            } else {
                return byte.isTokenByte ? self.match(byte, limits) : .chunk
            }
        case .trailerValue:
            if byte == 0x0D { self.state = .trailerLF } else if byte < 0x20 && byte != 0x09 || byte == 0x7F { return .chunk }
        case .trailerLF: return self.expect(byte, 0x0A, then: .trailerStart)
        default:
            guard byte == 0x0A else { return .chunk }
            self.isComplete = true
        }
        return nil
    }

    /// The next byte of a trailer's name.
    private mutating func match(_ byte: UInt8, _ limits: HTTPLimits) -> HTTPRefusal? {
        let prefix = limits.headerOnly
        guard let matched, matched < prefix.utf8CodeUnitCount else { return nil }
        self.matched = byte.lowercased == prefix.utf8Start[matched] ? matched + 1 : nil
        return self.matched == prefix.utf8CodeUnitCount ? .trailer : nil
    }
}
