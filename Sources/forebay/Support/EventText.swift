import ForebayCore
import ForebayTelemetry

/// Events as lines of JSON for people and `jq`. Bytes that are no text stand as `<name>_base64`.
enum EventText {
    /// - Parameter routes: the names that are known. A frame holds the hash of a name only.
    static func json(_ event: Event, sequence: UInt64, of batch: Batch, routes: [RouteID: String]) -> String {
        let hash = "\"route_hash\": \"\(String(batch.route.rawValue, radix: 16))\""
        var members = ["\"sequence\": \(sequence)", routes[batch.route].map { "\"route\": " + JSONText.quoted($0) } ?? hash]
        members.append("\"topic\": " + JSONText.quoted(String(decoding: event.topic, as: UTF8.self)))
        // Without one of the producer's, the one that consumers see is derived from where the event lies.
        let derived = batch.origin.map { EventID.text(origin: $0, sequence: sequence) } ?? ""
        let id = event.id.isEmpty ? derived : String(decoding: event.id, as: UTF8.self)
        members.append("\"id\": " + JSONText.quoted(id))
        members.append("\"timestamp\": \(event.timestamp)")
        if let partition = event.partition { members.append("\"partition\": \(partition)") }
        if let key = event.key { members.append(Self.text("key", Array(key))) }
        var headers: [(name: String, value: [UInt8]?)] = []
        event.forEachHeader { name, value in headers.append((String(decoding: name, as: UTF8.self), value.map(Array.init))) }
        if !headers.isEmpty { members.append("\"headers\": " + Self.headers(headers)) }
        members.append(event.value.map { Self.value(Array($0)) } ?? "\"value\": null")
        return "{" + members.joined(separator: ", ") + "}"
    }

    /// A value that is JSON stands as such; other text and bytes under names that say so.
    static func value(_ bytes: [UInt8]) -> String {
        if JSONValue(bytes) != nil {
            // In valid JSON a line break is only ever space between tokens.
            let text = String(decoding: bytes.map { $0 == 10 || $0 == 13 ? 32 : $0 }, as: UTF8.self)
            return "\"value\": " + Terminal.harmless(json: text)
        }
        if let text = String(validating: bytes, as: UTF8.self) { return "\"value_text\": " + JSONText.quoted(text) }
        return "\"value_base64\": \"\(Base64.encode(bytes))\""
    }

    static func text(_ name: String, _ bytes: [UInt8]) -> String {
        if let text = String(validating: bytes, as: UTF8.self) { return "\"\(name)\": " + JSONText.quoted(text) }
        return "\"\(name)_base64\": \"\(Base64.encode(bytes))\""
    }

    /// In order, since a name may come more than once.
    static func headers(_ headers: [(name: String, value: [UInt8]?)]) -> String {
        let items = headers.map { name, value in
            "{\"name\": \(JSONText.quoted(name)), " + (value.map { Self.text("value", $0) } ?? "\"value\": null") + "}"
        }
        return "[" + items.joined(separator: ", ") + "]"
    }
}
