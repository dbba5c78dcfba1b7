import ForebayCore
import Testing

@testable import ForebayIngest

@Suite("Ingest routes")
struct IngestRoutesTests {
    static func routes(_ routes: [(String, [String])], topics: [String: IngestConfiguration.Topic] = [:]) throws(ForebayError)
        -> IngestRoutes
    {
        try IngestRoutes(IngestConfiguration(routes: routes.map { .init(name: $0.0, topics: $0.1) }, topics: topics))
    }

    static func route(_ topic: String, _ routes: inout IngestRoutes) -> String? {
        // What throws has no route.
        (try? Array(topic.utf8).withUnsafeBytes { try routes.target(for: $0) }).map { routes.names[$0.route] }
    }

    @Test("an exact name beats the longest prefix, which beats the star") func precedence() throws {
        var routes = try Self.routes([
            ("rest", ["*"]), ("p", ["p*", "pay.*"]), ("pay", ["pay.eu.*", "pay.x"]), ("exact", ["pay.eu.a", "p"]),
        ])
        for _ in 0..<2 {  // Once worked out, once from the table.
            for (topic, route) in [
                ("pay.eu.a", "exact"), ("p", "exact"), ("pay.eu.b", "pay"), ("pay.eu.", "pay"), ("pay.eu", "p"), ("pay.x", "pay"),
                ("pay.xy", "p"), ("pq", "p"),
                ("x", "rest"), (String(repeating: "z", count: 249), "rest"),
            ] {
                #expect(Self.route(topic, &routes) == route, "\(topic)")
            }
        }
    }

    @Test("without a star some topics have no route") func none() throws {
        var routes = try Self.routes([("a", ["a", "b.*"])])
        for topic in ["c", "b", "aa", "A"] { #expect(Self.route(topic, &routes) == nil) }
    }

    @Test("more topics than the table remembers still find their way") func manyTopics() throws {
        var routes = try Self.routes([("a", ["a.*"]), ("rest", ["*"])])
        for round in 0..<2 {
            for index in 0..<5_000 {
                #expect(Self.route("a.\(index)", &routes) == "a", "\(round)")
                #expect(Self.route("t\(index)", &routes) == "rest")
            }
        }
    }

    @Test(
        "what can't be is refused",
        arguments: [
            [("a", ["x"]), ("b", ["x"])], [("a", ["x.*", "x.*"])], [("a", ["*"]), ("b", ["*"])], [("a", ["x*y"])], [("a", ["x y"])],
            [("a", [""])], [("a", [".."])],
            [("a", ["x"]), ("a", ["y"])], [("a", ["*x"])],
        ])
    func invalid(_ routes: [(String, [String])]) {
        #expect { _ = try Self.routes(routes) } throws: { ($0 as? ForebayError)?.code == .configurationInvalid }
    }

    @Test("topic settings have topic names", arguments: ["a b", "", ".."])
    func invalidTopics(_ name: String) {
        #expect(throws: ForebayError.self) { _ = try Self.routes([("a", ["*"])], topics: [name: .init()]) }
        #expect(throws: ForebayError.self) { _ = try Self.routes([("a", ["*"])], topics: ["a": .init(rename: name)]) }
    }
}
