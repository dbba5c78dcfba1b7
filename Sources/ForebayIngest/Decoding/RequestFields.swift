/// What the header block of a request says of its events. Its pointers are valid as long as the request's bytes are.
struct RequestFields: ~Copyable {
    private(set) var kind: BodyKind = .raw
    private(set) var key: UnsafeRawBufferPointer?
    private(set) var id: UnsafeRawBufferPointer?
    /// Milliseconds since 1970.
    private(set) var timestamp: Int64?
    private(set) var headers = HeaderEncoder()
    /// Of `Prefer: wait`, in milliseconds.
    private(set) var wait: Int?
    private var contentType: UnsafeRawBufferPointer?
    /// A browser sends it for a web page, perhaps one of another site.
    private var isOfPage = false
    private let headerLimit: Int

    init(headerLimit: Int) {
        self.headerLimit = headerLimit
    }

    /// Forgets the request before.
    mutating func reset() {
        self.kind = .raw
        self.key = nil
        self.id = nil
        self.timestamp = nil
        self.headers.removeAll()
        self.wait = nil
        self.contentType = nil
        self.isOfPage = false
    }

    /// After the last field.
    ///
    /// - Throws: 403 for what any web page can make a browser send here without asking first.
    func check() throws(Refusal) {
        guard self.isOfPage && BodyKind.needsNoPreflight(self.contentType) else { return }
        let type = self.contentType.map { "Content-Type \($0.text())" } ?? "no Content-Type"
        throw Refusal(
            .originNotAllowed,
            "what any web page can make a browser send is not taken (\(type) with an Origin, or a Sec-Fetch-Site of another site); "
                + "a page says what it sends by another Content-Type, as application/json or application/octet-stream")
    }

    /// Whether anything stands here that an envelope says itself.
    var speakOfEvents: Bool { self.key != nil || self.id != nil || self.timestamp != nil || self.headers.count > 0 }

    /// Takes one field of the header block. Most are none of ours: they are told apart by their first letter.
    ///
    /// - Throws: for what promises something that is not kept (yet), and for values that no event can have.
    @inline(__always)
    mutating func take(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) throws(Refusal) {
        guard !name.isEmpty else { return }
        switch UnsafeRawBufferPointer.lower(name[0]) {
        case UInt8(ascii: "c"): try self.takeContent(name, value)
        case UInt8(ascii: "f"): if name.startsIgnoringCase("forebay-") { try self.takeOwn(name, value) }
        case UInt8(ascii: "p"): if name.equalsIgnoringCase("prefer") { self.takePreferences(value) }
        case UInt8(ascii: "o"): if name.equalsIgnoringCase("origin") { self.isOfPage = true }
        case UInt8(ascii: "s"): if name.equalsIgnoringCase("sec-fetch-site") { self.takeSite(value) }
        case UInt8(ascii: "i"):
            if name.equalsIgnoringCase("idempotency-key") {
                throw Refusal(
                    .idempotencyKeyUnsupported, "Idempotency-Key is not supported yet: this request would be stored each time it is sent")
            }
        default: break
        }
    }

    private mutating func takeContent(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) throws(Refusal) {
        if name.equalsIgnoringCase("content-type") {
            if self.contentType != nil { throw Refusal(.repeatedHeader, "Content-Type stands there twice") }
            self.contentType = value
            self.kind = try BodyKind(contentType: value)
        } else if name.equalsIgnoringCase("content-encoding") {
            let coding = value.trimmed()
            guard coding.isEmpty || coding.equalsIgnoringCase("identity") else {
                throw Refusal(.unsupportedContentEncoding, "Content-Encoding \(coding.text()) is not supported yet; send the body as it is")
            }
        } else if name.equalsIgnoringCase("ce-specversion") {
            throw Refusal(.cloudEventsUnsupported, "CloudEvents (the header ce-specversion) are not supported yet")
        }
    }

    private mutating func takeOwn(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) throws(Refusal) {
        let name = name.slice(8..<name.count)
        if name.startsIgnoringCase("header-") {
            if let (code, detail) = self.headers.begin(name.slice(7..<name.count), lowercased: true, limit: self.headerLimit) {
                throw Refusal(code, detail)
            }
            self.headers.end(value)
        } else if name.equalsIgnoringCase("key") {
            if self.key != nil { throw Refusal(.repeatedHeader, "Forebay-Key stands there twice") }
            self.key = value
        } else if name.equalsIgnoringCase("id") {
            if self.id != nil { throw Refusal(.repeatedHeader, "Forebay-Id stands there twice") }
            if let reason = EventIdentity.fault(in: value) { throw Refusal(.invalidID, "Forebay-Id: \(reason)") }
            self.id = value
        } else if name.equalsIgnoringCase("timestamp") {
            if self.timestamp != nil { throw Refusal(.repeatedHeader, "Forebay-Timestamp stands there twice") }
            guard let time = EventTime.parse(value) else { throw Refusal(.invalidTimestamp, "Forebay-Timestamp: \(EventTime.rule)") }
            self.timestamp = time
        } else {
            throw Refusal(
                .unknownHeader,
                "Forebay-\(name.text()) is not known; there are Forebay-Key, Forebay-Id, Forebay-Timestamp and Forebay-Header-<name>")
        }
    }

    /// Browsers send it also where they send no `Origin`.
    private mutating func takeSite(_ value: UnsafeRawBufferPointer) {
        let site = value.trimmed()
        if site.equalsIgnoringCase("cross-site") || site.equalsIgnoringCase("same-site") { self.isOfPage = true }
    }

    /// RFC 7240: what is not understood is passed over.
    private mutating func takePreferences(_ value: UnsafeRawBufferPointer) {
        var rest = value
        while !rest.isEmpty {
            let comma = rest.offset(of: UInt8(ascii: ",")) ?? rest.count
            let preference = rest.slice(0..<comma).trimmed()
            rest = rest.slice(min(comma + 1, rest.count)..<rest.count)
            guard self.wait == nil, preference.startsIgnoringCase("wait=") else { continue }
            guard let seconds = EventTime.integer(preference.slice(5..<preference.count)) else { continue }
            self.wait = Int(min(seconds, 86_400)) * 1000
        }
    }
}

/// The rule for a producer's own ids.
enum EventIdentity {
    /// Why `id` can't be one; none if it can.
    static func fault(in id: UnsafeRawBufferPointer) -> String? {
        if id.isEmpty || id.count > 255 { return "an id has 1 to 255 bytes, this one has \(id.count)" }
        return StrictUTF8.isPrintable(id) ? nil : "an id is UTF-8 without control characters"
    }
}

extension EventTime {
    static let rule = "a timestamp is milliseconds since 1970 as an integer, or RFC 3339, and not before 1970"
}
