import Glibc

/// Finds the lines and fields of a head, before llhttp sees a byte of it.
///
///     request-line CRLF *( name ":" blanks value blanks CRLF ) CRLF
///
/// llhttp, even strict, lets pass what servers behind or before us may read another way: folded lines, a bare LF here and there, odd
/// versions, several blanks, unbounded sizes. So each LF has its CR and each CR its LF, there is no other control character, no line
/// begins with a blank, and sizes and counts are bounded. What the fields *mean* is for `HeadRules`.
struct HeaderFraming {
    enum Outcome {
        case incomplete
        case framed(FramedHead)
        case refused(HTTPRefusal)
    }

    private let base: UnsafePointer<UInt8>
    private let count: Int
    private let scratch: HeadScratch
    private let classes: ByteClasses
    private var head = FramedHead()
    private var position = 0

    static func frame(_ bytes: UnsafeRawBufferPointer, scratch: HeadScratch) -> Outcome {
        guard let base = bytes.baseAddress else { return .incomplete }
        var framing = HeaderFraming(base: base, count: Swift.min(bytes.count, scratch.limits.header + 1), scratch: scratch)
        return framing.run()
    }

    private init(base: UnsafeRawPointer, count: Int, scratch: HeadScratch) {
        self.base = base.assumingMemoryBound(to: UInt8.self)
        self.count = count
        self.scratch = scratch
        self.classes = scratch.classes
    }

    private mutating func run() -> Outcome {
        switch self.requestLine() {
        case .complete, .end: break
        case .incomplete: return self.incomplete(.targetTooLong(self.scratch.limits))
        case .refused(let refusal): return .refused(refusal)
        }
        while true {
            switch self.fieldLine() {
            case .complete: continue
            case .incomplete: return self.incomplete(.headerTooLarge(self.scratch.limits))
            case .refused(let refusal): return .refused(refusal)
            case .end:
                guard self.position <= self.scratch.limits.header else {
                    return .refused(.headerTooLarge(self.scratch.limits))
                }
                self.head.length = self.position
                if let refusal = HeadRules.apply(to: &self.head, base: self.base, scratch: self.scratch) { return .refused(refusal) }
                return .framed(self.head)
            }
        }
    }

    /// Incomplete, unless what is there already is too much.
    private func incomplete(_ refusal: @autoclosure () -> HTTPRefusal) -> Outcome {
        self.count > self.scratch.limits.header ? .refused(refusal()) : .incomplete
    }

    private enum Line {
        case complete, incomplete, end
        case refused(HTTPRefusal)
    }

    // MARK: The request line

    /// More than any method that is registered.
    private static let longestMethod = 32

    private mutating func requestLine() -> Line {
        var index = 0
        while index < self.count && self.classes.isToken(self.base[index]) { index += 1 }
        if index > Self.longestMethod { return .refused(.method) }
        guard !self.isCut(index) else { return .incomplete }
        let methodEnd = index
        guard methodEnd > 0, self.base[index] == 0x20 else { return .refused(self.notALine(index)) }
        index += 1
        let targetStart = index
        index = self.skipVisible(index)
        if index - targetStart > self.scratch.limits.target { return .refused(.targetTooLong(self.scratch.limits)) }
        guard !self.isCut(index) else { return .incomplete }
        let targetEnd = index
        guard targetEnd > targetStart, self.base[index] == 0x20 else { return .refused(self.notALine(index)) }
        index += 1
        let versionStart = index
        while index < self.count && self.base[index] > 0x20 { index += 1 }
        if index - versionStart > 16 { return .refused(.requestLine) }
        guard index + 1 < self.count else { return .incomplete }
        guard self.base[index] == 0x0D, self.base[index + 1] == 0x0A else { return .refused(self.notALine(index)) }
        self.position = index + 2
        return self.requestParts(method: 0..<methodEnd, target: targetStart..<targetEnd, version: versionStart..<index)
    }

    /// A line that ends early or with a lone LF or CR; or any other byte that doesn't belong.
    private func notALine(_ index: Int) -> HTTPRefusal { self.isLoneLineEnd(index) ? .lineEnd : .requestLine }

    private func isLoneLineEnd(_ index: Int) -> Bool {
        self.base[index] == 0x0A || self.base[index] == 0x0D && self.base[index + 1] != 0x0A
    }

    /// A CR behind which nothing has come yet: nobody knows if its line ends there.
    private func isCut(_ index: Int) -> Bool { index == self.count || index + 1 == self.count && self.base[index] == 0x0D }

    private mutating func requestParts(method: Range<Int>, target: Range<Int>, version: Range<Int>) -> Line {
        switch self.bytes(version) {
        case let version where version.equals("HTTP/1.1"): break
        case let version where version.equals("HTTP/1.0"): self.head.isHTTP10 = true
        case let version where Self.namesAVersion(version): return .refused(.version)
        default: return .refused(.requestLine)
        }
        guard let known = HTTPMethod(self.bytes(method)) else { return .refused(.method) }
        self.head.method = known
        self.head.target = Span32(target)
        if let refusal = RequestTarget.split(&self.head, base: self.base, classes: self.classes) { return .refused(refusal) }
        return .complete
    }

    /// `HTTP/2.0`, or the protocols that llhttp would take for HTTP/1.0.
    private static func namesAVersion(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard let slash = bytes.firstIndex(of: UInt8(ascii: "/")), bytes.count == slash + 4, bytes[slash + 2] == UInt8(ascii: "."),
            bytes[slash + 1].isDigit, bytes[slash + 3].isDigit
        else { return false }
        let name = UnsafeRawBufferPointer(rebasing: bytes[..<slash])
        return name.equals("HTTP") || name.equals("RTSP") || name.equals("ICE")
    }

    // MARK: Fields

    private mutating func fieldLine() -> Line {
        let start = self.position
        guard start < self.count else { return .incomplete }
        if self.base[start] == 0x0D {
            guard start + 1 < self.count else { return .incomplete }
            guard self.base[start + 1] == 0x0A else { return .refused(.lineEnd) }
            self.position = start + 2
            return .end
        }
        var index = start
        while index < self.count && self.classes.isToken(self.base[index]) { index += 1 }
        guard !self.isCut(index) else { return .incomplete }
        guard index > start, self.base[index] == UInt8(ascii: ":") else { return .refused(self.notAName(start, index)) }
        let nameEnd = index
        index = self.skipText(index + 1)
        guard index + 1 < self.count else {
            return index < self.count && self.base[index] != 0x0D ? .refused(self.notAValue(index)) : .incomplete
        }
        guard self.base[index] == 0x0D, self.base[index + 1] == 0x0A else { return .refused(self.notAValue(index)) }
        self.position = index + 2
        if self.head.fieldCount == self.scratch.limits.fields { return .refused(.tooManyFields(self.scratch.limits)) }
        self.scratch.fields[self.head.fieldCount] = FieldSpan(name: Span32(start..<nameEnd), value: self.trimmed(nameEnd + 1, index))
        self.head.fieldCount += 1
        return .complete
    }

    private func notAName(_ start: Int, _ index: Int) -> HTTPRefusal {
        if index == start && self.base[start].isBlank { return .folded }
        if self.isLoneLineEnd(index) { return .lineEnd }
        return self.base[index] == 0x0D ? .noColon : .fieldName
    }

    private func notAValue(_ index: Int) -> HTTPRefusal {
        self.base[index] == 0x0A || self.base[index] == 0x0D ? .lineEnd : .control
    }

    private func trimmed(_ start: Int, _ end: Int) -> Span32 {
        var (start, end) = (start, end)
        while start < end && self.base[start].isBlank { start += 1 }
        while end > start && self.base[end - 1].isBlank { end -= 1 }
        return Span32(start..<end)
    }

    // MARK: Scanning

    private func bytes(_ range: Range<Int>) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: self.base + range.lowerBound, count: range.count)
    }

    /// The first byte that is a blank or a control character.
    private func skipVisible(_ start: Int) -> Int {
        var index = start
        while index < self.count && self.base[index] > 0x20 { index += 1 }
        return index
    }

    /// The first control character but TAB, eight bytes at a step: a byte below 0x20, or equal to DEL, leaves its top bit set.
    private func skipText(_ start: Int) -> Int {
        var index = start
        while true {
            while index + 8 <= self.count {
                let word = UInt64(littleEndian: UnsafeRawPointer(self.base + index).loadUnaligned(as: UInt64.self))
                let delete = word ^ 0x7F7F_7F7F_7F7F_7F7F
                let low = (word &- 0x2020_2020_2020_2020) & ~word | (delete &- 0x0101_0101_0101_0101) & ~delete
                let found = low & 0x8080_8080_8080_8080
                if found != 0 {
                    index += found.trailingZeroBitCount >> 3
                    break
                }
                index += 8
            }
            while index < self.count && self.base[index] >= 0x20 && self.base[index] != 0x7F { index += 1 }
            guard index < self.count, self.base[index] == 0x09 else { return index }
            index += 1
        }
    }
}
