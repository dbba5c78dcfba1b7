/// Of a running node, by its admin API.
struct NodeDeadLetters: DeadLetterSource {
    /// What one answer may hold, by the API's own rule.
    private static let page = 500

    private let arguments: ParsedArguments

    init(_ arguments: ParsedArguments) {
        self.arguments = arguments
    }

    func letters(of route: String, limit: Int) throws -> [ShownDeadLetter] {
        var client = try AdminClient(self.arguments)
        return try Self.letters(route, after: nil, limit: limit, &client)
    }

    func letter(route: String, number: UInt64) throws -> ShownDeadLetter? {
        var client = try AdminClient(self.arguments)
        let found = try Self.letters(route, after: number == 0 ? nil : number - 1, limit: 1, &client)
        return found.first { $0["sequence"] == "\(number)" }
    }

    func counts() throws -> [(route: String, count: Int)] {
        var client = try AdminClient(self.arguments)
        return (try client.get("/admin/v1/deadletters").value["routes"]?.items ?? []).compactMap { counted in
            counted.delivery.map { ($0, counted["dead_letters"]?.integer ?? 0) }
        }
    }

    private static func letters(_ route: String, after: UInt64?, limit: Int, _ client: inout AdminClient) throws -> [ShownDeadLetter] {
        var letters: [ShownDeadLetter] = []
        var after = after.map { "\($0)" }
        while letters.count < limit {
            let size = min(limit - letters.count, Self.page)
            let behind = after.map { "&after=\($0)" } ?? ""
            let answer = try client.get("/admin/v1/deadletters?route=\(AdminClient.escaped(route))&limit=\(size)\(behind)").value
            let page = (answer["dead_letters"]?.items ?? []).prefix(size)
            letters += page.map { ShownDeadLetter(route: route, entry: $0) }
            // What names a next page and shows nothing would be asked for ever.
            guard !page.isEmpty, case .number(let next)? = answer["next"], next != after else { break }
            after = next
        }
        return letters
    }
}
