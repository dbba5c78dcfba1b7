/// Of a running node, by its admin API.
enum NodeSetAside {
    /// What `GET /admin/v1/setaside` answers.
    static func list(_ arguments: ParsedArguments, route: String?, limit: Int) throws -> JSONValue {
        var client = try AdminClient(arguments)
        let one = route.map { "&route=" + AdminClient.escaped($0) } ?? ""
        return try client.get("/admin/v1/setaside?limit=\(limit)\(one)").value
    }
}
