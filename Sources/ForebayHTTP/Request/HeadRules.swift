/// What the fields of a head say about the message, and which combinations are refused because two servers could read them in two ways.
enum HeadRules {
    private struct Seen {
        var host: UnsafeRawBufferPointer?
        var contentLength: UnsafeRawBufferPointer?
        var transferEncoding: UnsafeRawBufferPointer?
        var expect: UnsafeRawBufferPointer?
        var hasContentType = false
        var closes = false
        var asksToKeep = false
    }

    static func apply(to head: inout FramedHead, base: UnsafePointer<UInt8>, scratch: HeadScratch) -> HTTPRefusal? {
        let fields = scratch.fields
        var seen = Seen()
        for index in 0..<head.fieldCount {
            if let refusal = self.note(fields[index].name.bytes(in: base), fields[index].value.bytes(in: base), &seen) { return refusal }
        }
        if let refusal = self.host(seen, head, base, scratch.classes) { return refusal }
        if let refusal = self.framing(seen, &head) { return refusal }
        head.keepsAlive = !seen.closes && (!head.isHTTP10 || seen.asksToKeep)
        // A client of HTTP/1.0 can't mean it.
        guard let expect = seen.expect, !head.isHTTP10 else { return nil }
        head.expectsContinue = true
        return expect.equalsIgnoringCase("100-continue") ? nil : .expectation
    }

    private static func note(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, _ seen: inout Seen) -> HTTPRefusal? {
        switch name.count {
        case 4 where name.equalsIgnoringCase("host"):
            guard seen.host == nil else { return .host }
            seen.host = value
        case 6 where name.equalsIgnoringCase("expect"):
            guard seen.expect == nil else { return .duplicate }
            seen.expect = value
        case 10 where name.equalsIgnoringCase("connection"):
            value.forEachListElement { element in
                if element.equalsIgnoringCase("close") { seen.closes = true }
                if element.equalsIgnoringCase("keep-alive") { seen.asksToKeep = true }
            }
        case 12 where name.equalsIgnoringCase("content-type"):
            guard !seen.hasContentType else { return .duplicate }
            seen.hasContentType = true
        case 14 where name.equalsIgnoringCase("content-length"):
            guard seen.contentLength == nil else { return .contentLength }
            seen.contentLength = value
        case 17 where name.equalsIgnoringCase("transfer-encoding"):
            guard seen.transferEncoding == nil else { return .transferEncoding }
            seen.transferEncoding = value
        // Servers behind us may read an underscore as a hyphen.
        case 14 where name.equalsIgnoringCase("content_length"): return .contentLength
        case 17 where name.equalsIgnoringCase("transfer_encoding"): return .transferEncoding
        default: break
        }
        return nil
    }

    private static func host(_ seen: Seen, _ head: FramedHead, _ base: UnsafePointer<UInt8>, _ classes: ByteClasses) -> HTTPRefusal? {
        guard let host = seen.host else { return head.isHTTP10 && head.authority.count == 0 ? nil : .host }
        guard HostRule.isValid(host, classes) else { return .host }
        guard head.authority.count > 0 else { return nil }
        let authority = head.authority.bytes(in: base)
        let isSame = authority.count == host.count && zip(authority, host).allSatisfy { $0.lowercased == $1.lowercased }
        return isSame ? nil : .absoluteTarget
    }

    private static func framing(_ seen: Seen, _ head: inout FramedHead) -> HTTPRefusal? {
        if let coding = seen.transferEncoding {
            guard seen.contentLength == nil, !head.isHTTP10 else { return .transferEncoding }
            guard coding.equalsIgnoringCase("chunked") else { return self.isCodedAndChunked(coding) ? .coding : .transferEncoding }
            head.body = .chunked
        } else if let length = seen.contentLength {
            guard let number = self.number(length) else { return .contentLength }
            head.body = .length(number)
        }
        return nil
    }

    /// At most 19 digits, so that it fits without a look at overflow.
    private static func number(_ bytes: UnsafeRawBufferPointer) -> UInt64? {
        guard (1...19).contains(bytes.count) else { return nil }
        var number: UInt64 = 0
        for byte in bytes {
            guard byte.isDigit else { return nil }
            number = number * 10 + UInt64(byte - 0x30)
        }
        return number
    }

    /// `gzip, chunked`: well formed, and not supported. All else is an attempt to be misread.
    private static func isCodedAndChunked(_ value: UnsafeRawBufferPointer) -> Bool {
        var codings: [UnsafeRawBufferPointer] = []
        value.forEachListElement { codings.append($0) }
        let known: [StaticString] = ["gzip", "x-gzip", "deflate", "compress", "x-compress"]
        guard codings.count > 1, codings[codings.count - 1].equalsIgnoringCase("chunked") else { return false }
        return codings.dropLast().allSatisfy { coding in known.contains { coding.equalsIgnoringCase($0) } }
    }
}
