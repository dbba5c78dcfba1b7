import ForebayTelemetry

/// Where dead letters are read from.
protocol DeadLetterSource {
    /// Of a route, in order, at most `limit`.
    func letters(of route: String, limit: Int) throws -> [ShownDeadLetter]
    func letter(route: String, number: UInt64) throws -> ShownDeadLetter?
    /// How many each route has, those that can't be read among them.
    func counts() throws -> [(route: String, count: Int)]
}

/// A dead letter as the admin API words it: bytes that are no text stand under `<name>_base64`.
struct ShownDeadLetter {
    /// `orders`, `orders/mirror`.
    let route: String
    /// An entry of `GET /admin/v1/deadletters?route=…`.
    let entry: JSONValue

    /// A member as a cell of a table.
    subscript(name: String) -> String {
        switch self.entry[name] {
        case .string(let text)?: text
        case .number(let text)?: text
        default: ""
        }
    }

    /// None for a tombstone.
    var value: [UInt8] { self.bytes("value") ?? [] }

    /// Of key and value.
    var size: Int { (self.bytes("key")?.count ?? 0) + self.value.count }

    var whole: JSONValue { .object([.init(name: "route", value: .string(self.route))] + (self.entry.members ?? [])) }

    /// Without what may be large.
    var summary: JSONValue {
        let members = (self.whole.members ?? []).filter { !["key", "value", "headers"].contains(Self.plain($0.name)) }
        return .object(members + [.init(name: "size", value: .number(self.size))])
    }

    var text: String {
        var table = TextTable(("", .left), ("", .left))
        table.add("route", self.route)
        for member in self.entry.members ?? []
        where !["key", "value", "headers"].contains(Self.plain(member.name)) && member.value != .null {
            let isTime = member.name == "timestamp"
            table.add(member.name, isTime ? member.value.integer.map { Shown.time(Int64($0)) } ?? "" : self[member.name])
        }
        table.add("key", Self.shown(self.bytes("key"), none: "none"))
        for header in self.entry["headers"]?.items ?? [] {
            table.add("header", (header["name"]?.text ?? "") + ": " + Self.shown(Self.bytes("value", in: header), none: "null"))
        }
        let head = table.text().split(separator: "\n").joined(separator: "\n")
        return head + "\n\n" + Self.shown(self.bytes("value"), none: "(a tombstone: no value)", keepsLines: true) + "\n"
    }

    /// The event as `POST /v1/events` takes it, on one line: what was sent, with its id and its time.
    ///
    /// - Throws: if it has what an envelope can't hold.
    func envelope() throws(CommandFailure) -> String {
        var members = ["\"topic\": " + JSONText.quoted(self["topic"])]
        if !self["id"].isEmpty { members.append("\"id\": " + JSONText.quoted(self["id"])) }
        if let key = self.bytes("key") { members.append(EventText.text("key", key)) }
        members.append(Self.member(value: self.bytes("value")))
        // Those are Forebay's own, which a producer may not send: when it was replayed before.
        let headers = (self.entry["headers"]?.items ?? []).filter { $0["name"]?.text?.lowercased().hasPrefix("forebay-") != true }
        if !headers.isEmpty {
            var texts: [String] = []
            for header in headers {
                let name = header["name"]?.text ?? ""
                guard header["value_base64"] == nil else {
                    throw CommandFailure(.failure, "the header \(name) is not text, which an envelope can't hold; --json shows all of it")
                }
                texts.append(JSONText.quoted(name) + ": " + (header["value"]?.text.map { JSONText.quoted($0) } ?? "null"))
            }
            members.append("\"headers\": {" + texts.joined(separator: ", ") + "}")
        }
        if let timestamp = self.entry["timestamp"]?.integer { members.append("\"timestamp\": \(timestamp)") }
        if let partition = self.entry["partition"]?.integer { members.append("\"partition\": \(partition)") }
        return "{" + members.joined(separator: ", ") + "}"
    }

    /// JSON as it stands, byte for byte, where that is one line that steers no terminal; anything else in base 64, which keeps all bytes.
    private static func member(value: [UInt8]?) -> String {
        guard let value else { return "\"value\": null" }
        let text = String(decoding: value, as: UTF8.self)
        // A null would be a tombstone.
        if let json = JSONValue(value), json != .null, !text.unicodeScalars.contains(where: \.isObeyed), value.first != 0x20,
            value.last != 0x20
        {
            return "\"value\": " + text
        }
        return "\"value_base64\": \"\(Base64.encode(value))\""
    }

    private func bytes(_ name: String) -> [UInt8]? { Self.bytes(name, in: self.entry) }

    private static func bytes(_ name: String, in object: JSONValue) -> [UInt8]? {
        if let text = object[name]?.text { return Array(text.utf8) }
        return object[name + "_base64"]?.text.flatMap { Base64.decode($0) }
    }

    private static func plain(_ name: String) -> String {
        name.hasSuffix("_base64") ? String(name.dropLast(7)) : name
    }

    /// For a terminal that the bytes may not steer.
    private static func shown(_ bytes: [UInt8]?, none: String, keepsLines: Bool = false) -> String {
        guard let bytes else { return none }
        guard let text = String(validating: bytes, as: UTF8.self) else { return "\(bytes.count) bytes in base 64: \(Base64.encode(bytes))" }
        guard keepsLines else { return TextTable.printable(text) }
        return text.split(separator: "\n", omittingEmptySubsequences: false).map { TextTable.printable(String($0)) }.joined(separator: "\n")
    }
}
