import ForebayCore
import ForebayHTTP
import ForebayTelemetry

extension AdminRoutes {
    /// Entries in one answer.
    static let deadLetterLimit = 500
    /// Bytes of events in one answer: entries are as large as events may be, and an answer is held in memory whole. The page ends early
    /// then.
    static let deadLetterBytes = 4 << 20
    /// Entries read at once, for the same reason.
    private static let step = 8

    /// Without `route`: how many each delivery has. With it (`orders`, `orders/mirror`): a page of entries behind `after`, and `next`,
    /// which is the `after` of the next page.
    func deadLetters(_ request: AdminRequest) async -> HTTPResponse {
        if let name = request.query.first(where: { !["route", "limit", "after"].contains($0.name) })?.name {
            return .badParameter(name, "left out with GET, which takes route, limit and after")
        }
        guard let route = request.value("route") else { return self.deadLetterCounts(request) }
        guard let limit = request.limit(or: 50, atMost: Self.deadLetterLimit) else { return .badLimit(atMost: Self.deadLetterLimit) }
        var after: UInt64?
        if let text = request.value("after") {
            guard let number = UInt64(digits: text) else { return .badParameter("after", "the sequence of an entry") }
            after = number
        }
        do {
            let name = DeliveryName(name: route)
            guard let page = try await self.page(name, after: after, limit: limit) else { return .unknownRoute(route) }
            return Self.answer(name, page)
        } catch {
            return .failed(error)
        }
    }

    private struct Page {
        var entries: [DeadLetterView] = []
        var next: UInt64?
    }

    private func page(_ name: DeliveryName, after: UInt64?, limit: Int) async throws(ForebayError) -> Page? {
        var page = Page()
        var bytes = 0
        var last = after
        while true {
            // One more than is shown tells whether there is a next page.
            let wanted = min(Self.step, limit - page.entries.count + 1)
            guard let entries = try await self.node.deadLetters(of: name, after: last, limit: wanted) else { return nil }
            for entry in entries {
                if page.entries.count == limit || (bytes + entry.size > Self.deadLetterBytes && !page.entries.isEmpty) {
                    page.next = page.entries.last?.sequence
                    return page
                }
                bytes += entry.size
                page.entries.append(entry)
                last = entry.sequence
            }
            if entries.count < wanted { return page }
        }
    }

    private func deadLetterCounts(_ request: AdminRequest) -> HTTPResponse {
        guard request.query.isEmpty else { return .badParameter("route", "given beside the others") }
        var json = JSONWriter()
        json.object {
            $0.array("routes") { json in
                for (name, count) in self.node.deadLetterCounts() {
                    json.object {
                        $0.field("route", name.route)
                        $0.field("stage", name.stage.rawValue)
                        $0.field("dead_letters", count)
                    }
                }
            }
        }
        return .json(json)
    }

    private static func answer(_ name: DeliveryName, _ page: Page) -> HTTPResponse {
        var json = JSONWriter(reserving: 1024)
        json.object {
            $0.field("route", name.route)
            $0.field("stage", name.stage.rawValue)
            $0.array("dead_letters") { json in
                for entry in page.entries { json.object { Self.write(entry, to: &$0) } }
            }
            $0.field("next", page.next)
        }
        return .json(json)
    }

    private static func write(_ entry: DeadLetterView, to json: inout JSONWriter) {
        json.field("sequence", entry.sequence)
        json.field("topic", entry.topic)
        json.field("code", entry.code)
        json.field("reason", entry.reason)
        json.field("id", entry.eventID)
        json.field("at", Timestamp.rfc3339(entry.at))
        json.field("timestamp", entry.timestamp)
        json.field("partition", entry.partition.map { Int64($0) })
        Self.write(bytes: entry.key, "key", to: &json)
        json.array("headers") { json in
            for header in entry.headers {
                json.object {
                    $0.field("name", header.name)
                    Self.write(bytes: header.value, "value", to: &$0)
                }
            }
        }
        Self.write(bytes: entry.value, "value", to: &json)
    }

    /// As text where the bytes are UTF-8, else under `<name>_base64`; either way they can be had back exactly. None is null.
    private static func write(bytes: [UInt8]?, _ name: String, to json: inout JSONWriter) {
        guard let bytes else {
            json.key(name)
            return json.null()
        }
        if let text = String(validating: bytes, as: UTF8.self) {
            json.field(name, text)
        } else {
            json.field(name + "_base64", Base64.encode(bytes))
        }
    }
}

extension DeadLetterView {
    /// What an entry adds to an answer, about.
    fileprivate var size: Int {
        (self.value?.count ?? 0) + (self.key?.count ?? 0) + self.reason.utf8.count
            + self.headers.reduce(0) { $0 + $1.name.utf8.count + ($1.value?.count ?? 0) }
    }
}
