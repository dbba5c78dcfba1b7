import ForebayCore

/// Reads one envelope: `{"id","key","value","headers":{…},"timestamp","partition"}`, with `value_base64` and `key_base64` for bytes, and
/// `topic` where the URL names none.
///
/// Unknown members are refused by name, so are members that stand there twice: an envelope is ours, and nothing in it is ignored.
/// A member that is null is as one that is missing. Its pointers are valid until the next envelope is read.
struct EnvelopeReader: ~Copyable {
    private(set) var topic: UnsafeRawBufferPointer?
    private(set) var id: UnsafeRawBufferPointer?
    private(set) var key: UnsafeRawBufferPointer?
    /// None: a tombstone.
    private(set) var value: UnsafeRawBufferPointer?
    /// Whether `value` is JSON, and not from `value_base64`.
    private(set) var valueIsJSON = false
    private(set) var timestamp: Int64?
    private(set) var partition: Int32?
    private(set) var headers = HeaderEncoder()

    private let headerLimit: Int
    private var seen: UInt16 = 0
    /// Those of them that are not null.
    private var given: UInt16 = 0
    private var name = JSONUnescaper()
    private var topicText = JSONUnescaper()
    private var idText = JSONUnescaper()
    private var keyText = JSONUnescaper()
    private var valueText = JSONUnescaper()
    private var keyBytes = Base64Decoder()
    private var valueBytes = Base64Decoder()

    init(headerLimit: Int) {
        self.headerLimit = headerLimit
    }

    /// Reads the envelope that starts at `start`.
    ///
    /// - Parameters:
    ///   - index: of the event in its request.
    ///   - place: where `text` lies in the body.
    ///   - namesTopic: whether it must say its topic; otherwise it must not.
    /// - Returns: the offset just behind it.
    mutating func read(
        _ text: JSONText, at start: Int, event index: Int, place: BodyDecoder.Place, namesTopic: Bool
    ) throws(Refusal) -> Int {
        self.reset()
        guard text.byte(at: start) == UInt8(ascii: "{") else {
            // What is no JSON at all is told as that.
            do { _ = try text.value(at: start, depth: 0) } catch { throw BodyDecoder.malformed(error, event: index, at: place) }
            throw Refusal(.invalidEnvelope, "an envelope is an object", event: index, pointer: "")
        }
        var members = JSONMembers(of: text, at: start, depth: 0)
        while true {
            let next: JSONMembers.Member?
            do { next = try members.next() } catch { throw BodyDecoder.malformed(error, event: index, at: place) }
            guard let found = next else { break }
            try self.take(found, of: text, event: index, namesTopic: namesTopic)
        }
        if namesTopic && self.topic == nil {
            throw Refusal(.missingTopic, "envelopes for /v1/events each name their topic", event: index, pointer: "/topic")
        }
        return members.end
    }

    private mutating func reset() {
        self.topic = nil
        self.id = nil
        self.key = nil
        self.value = nil
        self.valueIsJSON = false
        self.timestamp = nil
        self.partition = nil
        self.headers.removeAll()
        self.seen = 0
        self.given = 0
    }

    private mutating func take(
        _ found: JSONMembers.Member, of text: JSONText, event index: Int, namesTopic: Bool
    ) throws(Refusal) {
        let member = try self.member(text[found.name], event: index, namesTopic: namesTopic)
        if self.seen & member.rawValue != 0 {
            throw Refusal(.repeatedMember, "\(member.name) stands there twice", event: index, pointer: member.pointer)
        }
        self.seen |= member.rawValue
        let value = text[found.value]
        let kind = JSONKind(first: value[0])
        if kind == .null { return }
        self.given |= member.rawValue
        for (one, other) in [(EnvelopeMember.key, EnvelopeMember.keyBase64), (.value, .valueBase64)]
        where self.given & one.rawValue != 0 && self.given & other.rawValue != 0 {
            throw Refusal(.conflictingMembers, "\(one.name) and \(other.name) exclude each other", event: index, pointer: other.pointer)
        }
        switch member {
        case .value:
            self.value = value
            self.valueIsJSON = true
        case .valueBase64:
            let written = try Self.string(value, kind, &self.valueText, member, index)
            guard let bytes = self.valueBytes.decode(written) else { throw Self.notBase64(member, index) }
            self.value = bytes
        case .key: self.key = try Self.string(value, kind, &self.keyText, member, index)
        case .keyBase64:
            let written = try Self.string(value, kind, &self.keyText, member, index)
            guard let bytes = self.keyBytes.decode(written) else { throw Self.notBase64(member, index) }
            self.key = bytes
        case .id:
            let written = try Self.string(value, kind, &self.idText, member, index)
            if let reason = EventIdentity.fault(in: written) { throw Refusal(.invalidID, reason, event: index, pointer: member.pointer) }
            self.id = written
        case .topic: self.topic = try Self.string(value, kind, &self.topicText, member, index)
        case .timestamp: self.timestamp = try self.timestamp(value, kind, index)
        case .partition:
            guard kind == .number, let number = EventTime.integer(value), let partition = Int32(exactly: number) else {
                throw Refusal(.invalidPartition, "a partition is an integer from 0 to 2147483647", event: index, pointer: member.pointer)
            }
            self.partition = partition
        case .headers: try self.takeHeaders(text, found.value, kind, index)
        }
    }

    private mutating func member(
        _ written: UnsafeRawBufferPointer, event index: Int, namesTopic: Bool
    ) throws(Refusal) -> EnvelopeMember {
        if let member = EnvelopeMember(named: written), member != .topic || namesTopic { return member }
        // Rare: a known name with escapes, or an unknown one.
        let plain = (try? self.name.text(of: written, at: 0)) ?? written  // Half a surrogate pair is in no name that is known.
        if let member = EnvelopeMember(named: plain) {
            if member != .topic || namesTopic { return member }
            throw Refusal(
                .unknownMember, "topic is for /v1/events; here the URL names it", event: index, pointer: member.pointer)
        }
        throw Refusal(
            .unknownMember,
            "\(plain.text()) is not known; an envelope has id, key or key_base64, value or value_base64, headers, timestamp, partition"
                + (namesTopic ? ", topic" : ""),
            event: index, pointer: JSONPointer.text(plain))
    }

    private mutating func timestamp(_ value: UnsafeRawBufferPointer, _ kind: JSONKind, _ index: Int) throws(Refusal) -> Int64 {
        let time: Int64?
        switch kind {
        case .number: time = EventTime.integer(value)
        // No date needs an escape, so what is escaped is none.
        case .string: time = EventTime.dateTime(value.slice(1..<value.count - 1))
        default: time = nil
        }
        guard let time else { throw Refusal(.invalidTimestamp, EventTime.rule, event: index, pointer: EnvelopeMember.timestamp.pointer) }
        return time
    }

    private mutating func takeHeaders(_ text: JSONText, _ range: Range<Int>, _ kind: JSONKind, _ index: Int) throws(Refusal) {
        guard kind == .object else { throw Self.wrongType(.headers, "an object of strings", index) }
        var members = JSONMembers(of: text, at: range.lowerBound, depth: 0)
        // It was checked with the envelope: this walk can't fail.
        while let member = try? members.next() {
            let pointer = "/headers" + JSONPointer.text(text[member.name])
            do {
                let name = try self.name.text(of: text[member.name], at: 0)
                if let (code, detail) = self.headers.begin(name, limit: self.headerLimit) {
                    throw Refusal(code, detail, event: index, pointer: pointer)
                }
                let value = text[member.value]
                switch JSONKind(first: value[0]) {
                case .null: self.headers.end(nil)
                case .string: self.headers.end(try self.name.text(of: value.slice(1..<value.count - 1), at: 0))
                default: throw Refusal(.invalidMember, "a header's value is a string or null", event: index, pointer: pointer)
                }
            } catch let refusal as Refusal {
                throw refusal
            } catch {
                throw Refusal(.invalidText, JSONFault.Reason.surrogate.rawValue, event: index, pointer: pointer)
            }
        }
    }

    private static func string(
        _ value: UnsafeRawBufferPointer, _ kind: JSONKind, _ unescaper: inout JSONUnescaper, _ member: EnvelopeMember, _ index: Int
    ) throws(Refusal) -> UnsafeRawBufferPointer {
        guard kind == .string else { throw self.wrongType(member, "a string", index) }
        do {
            return try unescaper.text(of: value.slice(1..<value.count - 1), at: 0)
        } catch {
            throw Refusal(.invalidText, error.reason.rawValue, event: index, pointer: member.pointer)
        }
    }

    private static func wrongType(_ member: EnvelopeMember, _ type: String, _ index: Int) -> Refusal {
        Refusal(.invalidMember, "\(member.name) is \(type) or null", event: index, pointer: member.pointer)
    }

    private static func notBase64(_ member: EnvelopeMember, _ index: Int) -> Refusal {
        Refusal(.invalidBase64, "\(member.name) is not base 64 (RFC 4648 §4, with padding)", event: index, pointer: member.pointer)
    }
}

/// RFC 6901.
enum JSONPointer {
    /// One step: a slash and the name, at most 80 bytes of it.
    static func text(_ name: UnsafeRawBufferPointer) -> String {
        var step = "/"
        for character in name.text() {
            switch character {
            case "~": step += "~0"
            case "/": step += "~1"
            default: step.append(character)
            }
        }
        return step
    }
}
