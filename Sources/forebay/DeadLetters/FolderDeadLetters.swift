import ForebayCore
import ForebaySpool

/// In the folder of a node that is down: one log for each delivery in `deadletters/`.
struct FolderDeadLetters: DeadLetterSource {
    private let folders: RouteFolders

    init(folder: String) throws(CommandFailure) {
        self.folders = try RouteFolders(folder: folder, kind: "deadletters")
    }

    func letters(of route: String, limit: Int) throws -> [ShownDeadLetter] {
        try self.folders.deliveries(route, what: "dead letters").flatMap { name in
            try DeadLetters.list(directory: self.folders.directory(name), after: nil, limit: limit).map { Self.shown($0, name) }
        }
    }

    func letter(route: String, number: UInt64) throws -> ShownDeadLetter? {
        guard let name = try self.folders.deliveries(route, what: "dead letters").first else { return nil }
        let found = try DeadLetters.list(directory: self.folders.directory(name), after: number == 0 ? nil : number - 1, limit: 1)
        return found.first.flatMap { $0.sequence == number ? Self.shown($0, name) : nil }
    }

    func counts() throws -> [(route: String, count: Int)] {
        try self.folders.deliveries(nil, what: "dead letters").map { name in
            (name.description, Int(clamping: try DeadLetters.count(directory: self.folders.directory(name))))
        }
    }

    /// The members that the admin API has, in its order.
    private static func shown(_ entry: DeadLetterEntry, _ name: DeliveryName) -> ShownDeadLetter {
        let headers = entry.headers.map { name, value in
            JSONValue.object([.init(name: "name", value: .string(name)), Self.member("value", value)])
        }
        return ShownDeadLetter(
            route: name.description,
            entry: .object([
                .init(name: "sequence", value: .number(entry.sequence)), .init(name: "topic", value: .string(entry.topic)),
                .init(name: "code", value: .string(entry.code)), .init(name: "reason", value: .string(entry.reason)),
                .init(name: "id", value: .string(entry.eventID)), .init(name: "at", value: .string(Shown.time(entry.at))),
                .init(name: "timestamp", value: .number(entry.timestamp)),
                .init(name: "partition", value: entry.partition.map { .number($0) } ?? .null), Self.member("key", entry.key),
                .init(name: "headers", value: .array(headers)), Self.member("value", entry.value),
            ]))
    }

    private static func member(_ name: String, _ bytes: [UInt8]?) -> JSONValue.Member {
        guard let bytes else { return .init(name: name, value: .null) }
        if let text = String(validating: bytes, as: UTF8.self) { return .init(name: name, value: .string(text)) }
        return .init(name: name + "_base64", value: .string(Base64.encode(bytes)))
    }
}
