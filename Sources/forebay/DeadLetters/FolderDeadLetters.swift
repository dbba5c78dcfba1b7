import ForebayCore
import ForebaySpool
import Glibc

/// In the folder of a node that is down: one log for each route in `deadletters/`.
struct FolderDeadLetters: DeadLetterSource {
    let folder: String

    func letters(route: String?, limit: Int) throws -> [ShownDeadLetter] {
        let routes = try self.routes()
        if let route, !routes.contains(route) { throw Self.unknown(route, routes) }
        return try (route.map { [$0] } ?? routes).flatMap { route in
            try DeadLetters.list(directory: self.directory(route), after: nil, limit: limit).map { Self.shown($0, route) }
        }
    }

    func letter(route: String, number: UInt64) throws -> ShownDeadLetter? {
        let routes = try self.routes()
        guard routes.contains(route) else { throw Self.unknown(route, routes) }
        let found = try DeadLetters.list(directory: self.directory(route), after: number == 0 ? nil : number - 1, limit: 1)
        return found.first.flatMap { $0.sequence == number ? Self.shown($0, route) : nil }
    }

    private func directory(_ route: String) -> String { "\(self.folder)/deadletters/\(route)" }

    private static func unknown(_ route: String, _ routes: [String]) -> CommandFailure {
        let known = routes.isEmpty ? "there are no dead letters at all" : "there are dead letters of " + routes.joined(separator: ", ")
        return CommandFailure(.failure, "no dead letters of a route \(route); \(known)")
    }

    private func routes() throws(CommandFailure) -> [String] {
        let path = "\(self.folder)/deadletters"
        guard let stream = opendir(path) else {
            let code = errno
            if code == ENOENT, access(self.folder, F_OK) == 0 { return [] }
            throw CommandFailure(.failure, "cannot read \(path): \(String(cString: strerror(code)))")
        }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            // A route that never had one has a folder without a log, or none.
            if !name.hasPrefix("."), access("\(path)/\(name)/segments", F_OK) == 0 { names.append(name) }
        }
        return names.sorted()
    }

    /// The members that the admin API has, in its order.
    private static func shown(_ entry: DeadLetterEntry, _ route: String) -> ShownDeadLetter {
        let headers = entry.headers.map { name, value in
            JSONValue.object([.init(name: "name", value: .string(name)), Self.member("value", value)])
        }
        return ShownDeadLetter(
            route: route,
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
