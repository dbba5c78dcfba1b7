import ConfigurationWorld
import ForebayCore
import Testing

@testable import ForebayConfig

/// Routes and topics that can't be meant, or not together.
extension ConfigurationProblemTests {
    @Test func routesThatCollide() {
        let text = """
            version: 1
            clusters: { main: { properties: { bootstrap.servers: k } } }
            routes:
              a: { topics: [orders, "pay.*", orders], forward: { to: main } }
              b: { topics: ["pay.*", "or ders", "*"], forward: { to: main, fallback: main } }
              c: { topics: [], forward: { to: main }, mirror: { to: main } }
              "not a name": { topics: [x], forward: { to: main } }
            """
        #expect(
            ConfigurationWorld(files: ["f": text]).problems(["f"]) == [
                "f:4:34 routes.a.topics: \"orders\" is taken by this route already, at f:4:17",
                "f:5:26 routes.b.topics: expected a topic, a prefix such as \"payments.*\", or \"*\", found \"or ders\"",
                "f:5:64 routes.b.forward.fallback: not supported yet: A second cluster for when the first is down",
                "f:6:16 routes.c.topics: an empty list takes no topic",
                "f:6:57 routes.c.mirror.to: \"main\" gets the route's events already, by forward.to; a mirror is another cluster",
                "f:7:3 routes.not a name: not a name (letters, digits, '_', '-', at most 64)",
            ])
        let second = text.replacing("\"or ders\", ", with: "")
        #expect(
            ConfigurationWorld(files: ["f": second]).problems(["f"]).contains(
                "f:5:17 routes.b.topics: \"pay.*\" is taken by route a already, at f:4:25"))
    }

    @Test(
        "a mirror has a cluster of its own",
        arguments: [
            ("{ to: backup }", []), ("{ to: backup, required: false }", []),
            ("{}", ["f:6:49 routes.a.mirror: a mirror needs a cluster; give it under to, or leave mirror out"]),
            ("null", ["f:6:49 routes.a.mirror: a mirror needs a cluster; give it under to, or leave mirror out"]),
            ("", ["f:6:49 routes.a.mirror: a mirror needs a cluster; give it under to, or leave mirror out"]),
            ("{ to: null }", ["f:6:63 routes.a.mirror.to: has no value; expected a name from clusters"]),
            ("{ to: backpu }", ["f:6:63 routes.a.mirror.to: no cluster is called \"backpu\"; did you mean \"backup\"?"]),
            ("{ required: false }", ["f:6:69 routes.a.mirror.required: a mirror needs a cluster; give it under to"]),
            (
                "{ to: backup, required: maybe }",
                ["f:6:81 routes.a.mirror.required: expected one of true, false, found \"maybe\""]
            ),
            ("{ to: backup, lag: 5m }", ["f:6:71 routes.a.mirror.lag: unknown key; known here: to, required"]),
        ] as [(String, [String])])
    func mirrors(mirror: String, problems: [String]) throws {
        let text = """
            version: 1
            clusters:
              main: { properties: { bootstrap.servers: k } }
              backup: { properties: { bootstrap.servers: b } }
            routes:
              a: { topics: [orders], forward: { to: main }, mirror: \(mirror) }
            """
        let world = ConfigurationWorld(files: ["f": text])
        #expect(world.problems(["f"]) == problems)
        guard problems.isEmpty else { return }
        let route = try world.load(["f"]).configuration.routes[0]
        #expect(route.deliveries.map(\.name.description) == ["a", "a/mirror"] && route.deliveries.map(\.cluster) == ["main", "backup"])
        #expect(route.deliveries.map(\.isRequired) == [true, !mirror.contains("false")])
    }

    @Test("what is nowhere is told of by the name that other problems of stdin have")
    func standardInput() {
        let found = ConfigurationWorld(files: ["-": "version: 1"]).problems(["-"])
        #expect(!found.isEmpty && found.allSatisfy { $0.hasPrefix("<stdin>:1:1 ") }, "\(found)")
    }

    @Test func topicsThatNoRouteTakes() {
        let text = """
            version: 1
            clusters: { main: { properties: { bootstrap.servers: k } } }
            routes: { a: { topics: [orders, "pay.*"], forward: { to: main } } }
            topics: { order: { key: $.id }, pay.eu: { key: $.id }, orders: {} }
            """
        #expect(
            ConfigurationWorld(files: ["f": text]).problems(["f"]) == [
                "f:4:11 topics.order: no route takes this topic; did you mean \"orders\"?"
            ])
    }

    @Test func routesAreFolders() throws {
        func text(_ name: String) -> String { minimal.replacing("default:", with: "\"\(name)\":") }
        for name in [".", "..", "a/b", "a b", "a\\nb", "a\\u2028b", String(repeating: "x", count: 65)] {
            let found = ConfigurationWorld(files: ["f": text(name)]).problems(["f"])
            // That there is no route then is no other problem.
            #expect(found.count == 1, "\(found)")
            #expect(
                found.contains { $0.hasPrefix("f:5:3 routes") && $0.hasSuffix("not a name (letters, digits, '_', '-', at most 64)") },
                "\(name)")
        }
        // One that breaks the line is shown on one.
        #expect(
            ConfigurationWorld(files: ["f": text("a\\nb")]).problems(["f"]) == [
                #"f:5:3 routes."a\nb": not a name (letters, digits, '_', '-', at most 64)"#
            ])
        // Those with a dot exist, so they go on.
        let dotted = try ConfigurationWorld(files: ["f": text("team.orders")]).load(["f"])
        #expect(dotted.configuration.routes.map(\.name) == ["team.orders"])
        #expect(
            dotted.warnings.map(\.description) == [
                "f:5:3 routes.team.orders: a route's name should be of letters, digits, '_' and '-' alone; "
                    + "give it another, and this one under formerly"
            ])
        #expect(try ConfigurationWorld(files: ["f": text("Team_1-x")]).load(["f"]).warnings.isEmpty)
    }

    private static func routes(_ a: String, _ b: String) -> String {
        """
        version: 1
        clusters: { main: { properties: { bootstrap.servers: k } } }
        routes:
          a: { topics: [x], forward: { to: main }, formerly: \(a) }
          b: { topics: [y], forward: { to: main }, formerly: \(b) }
        """
    }

    @Test func formerNames() throws {
        let loaded = try ConfigurationWorld(files: ["f": Self.routes("[old, older.one]", "[]")]).load(["f"])
        #expect(loaded.configuration.routes.map(\.formerly) == [["old", "older.one"], []])
        #expect(try load("").configuration.routes[0].formerly.isEmpty)
        #expect(try load("", set: ["routes.default.formerly=x,y"]).configuration.routes[0].formerly == ["x", "y"])
    }

    @Test(arguments: [
        ("[b]", "[]", "f:4:55 routes.a.formerly: \"b\" is a route still; rename that one first, or take it out"),
        ("[a]", "[]", "f:4:55 routes.a.formerly: \"a\" is a route still; rename that one first, or take it out"),
        ("[old]", "[new, old]", "f:5:60 routes.b.formerly: \"old\" is taken over by route a already"),
        ("[]", "[old, old]", "f:5:60 routes.b.formerly: \"old\" stands here twice"),
        ("[..]", "[]", "f:4:55 routes.a.formerly: \"..\" is not a name (letters, digits, '_', '-', at most 64)"),
        ("old", "[]", "f:4:54 routes.a.formerly: expected a list of routes' names, found \"old\""),
    ])
    func formerNamesThatCannotBe(_ a: String, _ b: String, _ problem: String) {
        #expect(ConfigurationWorld(files: ["f": Self.routes(a, b)]).problems(["f"]) == [problem])
    }
}
