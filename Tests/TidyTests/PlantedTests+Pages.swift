import Testing

/// What points somewhere.
extension PlantedTests {
    @Test("links that lead nowhere, to no file or no heading")
    func links() {
        let pages = [
            "README.md": """
            # One `two`: three's, [four](docs/a.md)
            ## Again
            ## Again
            [a](docs/a.md) [b](docs/a.md#a-b) [c](docs) [d](#again-1) [e](https://example.org/no) [f](#one-two-threes-four)
            [g](docs/b.md)
            [h](docs/a.md#b)
            ```
            [in a block](nowhere)
            ```
            [i](#again-2) ![j](docs/a.png)
            """,
            "docs/a.md": "# A b\n```\n# B\n```\n[up](../README.md#again) [beside](./a.md)\n[k](README.md)",
        ]
        let found = Pages.brokenLinks(pages, ["README.md", "docs", "docs/a.md", "docs/b"]).map { "\($0.path):\($0.line): \($0.reason)" }
        #expect(
            found == [
                "README.md:5: docs/b.md leads to no file", "README.md:6: docs/a.md#b: docs/a.md has no such heading",
                "README.md:10: #again-2: README.md has no such heading", "README.md:10: docs/a.png leads to no file",
                "docs/a.md:6: README.md leads to no file",
            ])
    }

    @Test("paths that are not there")
    func paths() {
        func found(_ path: String, _ text: String) -> [String] {
            Pages.missingPaths(path, Pages.told(path, text), ["dev", "dev/test", "Sources/A", "Sources/A/B+C.swift"])
                .map { "\($0.line) \($0.reason.prefix { $0 != " " })" }
        }
        #expect(found("docs/a.md", "Run `dev/test`, see Sources/A/ and Sources/A/B+C.swift.").isEmpty)
        #expect(found("docs/a.md", "\nRun `dev/tests`, see Sources/A/B.swift.") == ["2 dev/tests", "2 Sources/A/B.swift"])
        #expect(found("docs/a.md", "/dev/null, x/Tests/y, Sources/<name>/X.swift, Tests/*.swift, docs/…").isEmpty)
        #expect(found("dev/a", "cd Tests/x  # as Tests/y has it") == ["1 Tests/y"])
        #expect(found("Sources/A/x.c", "f(\"Tests/x\");  // of Tests/y") == ["1 Tests/y"])
        let source = "let a = \"Sources/No.swift\"  // As Sources/ForebayCore/No.swift has it, not Sources/ForebayCore/Link/Link.swift."
        let violations = Rules.paths(SourceFile(path: "Sources/A.swift", text: "\n" + source))
        #expect(violations.map { "\($0.line) \($0.reason)" } == ["2 Sources/ForebayCore/No.swift is not there"])
    }

    @Test("names in maps that are not in the file before them")
    func maps() {
        let port = """
            package final class Port {
                enum Kind { case open, shut(since: Int) }
                private struct Room { let left, taken: Int }
                init?(_ a: Int) {}
                func send(_ batch: Int) { self.shown(batch) }
            }
            """
        let files = [
            SourceFile(path: "Sources/A/Port.swift", text: port),
            SourceFile(path: "Sources/A/Port+End.swift", text: "extension Outer.Port {\n    var isOver: Bool { self.over == .over }\n}"),
        ]
        let maps = Maps(files, ["Sources/A", "Package.swift", "Sources/A/Port.swift", "Sources/A/Port+End.swift"])
        func found(_ page: String) -> [String] { maps.faults("m.md", page).map { "\($0.line) \($0.reason)" } }
        let path = "`Sources/A/Port.swift`", end = "`Sources/A/Port+End.swift`"
        #expect(
            found(
                """
                # Of `Package.swift`, `A`, `delivery.window`, `POST /x`, `<Noun>State.swift`
                1. \(path) `Port`, `Port.send(_:)`, `Port.init`, `Port.Kind.shut`,
                   `Port.Room.taken`; \(end) `Port.isOver`
                ```
                `Elsewhere`
                ```
                | \(end) | `Outer.Port` |
                """
            ).isEmpty)
        for (page, fault) in [
            ("\(path) `Pot`", "1 Pot is not in Sources/A/Port.swift"),
            ("\(path) `Port.sent`", "1 Port.sent is not in Sources/A/Port.swift"),
            ("\(path) `Port.batch`", "1 Port.batch is not in Sources/A/Port.swift"),
            ("\(path) `Port.since`", "1 Port.since is not in Sources/A/Port.swift"),
            ("\(path) `Port.shown`", "1 Port.shown is not in Sources/A/Port.swift"),
            ("\(path) \(end) `Port.send`", "1 Port.send is not in Sources/A/Port+End.swift"),
            ("\(end) `Port.over`", "1 Port.over is not in Sources/A/Port+End.swift"),
            ("a \(path)\n\nb `Port`", "3 Port stands behind no file"),
            ("- \(path)\n- `Port`", "2 Port stands behind no file"),
            ("| \(path) |\n| `Port` |", "2 Port stands behind no file"),
            ("`Sources/A/Pot.swift` `Port`", "1 Sources/A/Pot.swift is not there"),
            ("`Port.swift`", "1 Port.swift is not there"),
        ] {
            #expect(found(page) == [fault], "\(page)")
        }
    }

    @Test("names in comments that nothing declares")
    func references() {
        let link = """
            /// ``Port``, ``Port/send(_:)``, ``Port/Kind/open``, ``State/isIdle``, ``both``
            /// ``Pot``
            /// ``Port/sent(_:)``
            /// ``Other/send(_:)``
            package final class Port {
                enum Kind { case open, shut }
                func send(_ a: Int) {}
                let (one, both) = (1, 2)  // ``Here`` as anywhere
            }
            let text = "``No``"
            """
        let files = [
            SourceFile(path: "Sources/A/Port.swift", text: link),
            SourceFile(path: "Sources/A/State.swift", text: "struct Other {}\nextension Outer.State { var isIdle: Bool { true } }"),
        ]
        let declarations = Declarations(files)
        #expect(
            files.flatMap(declarations.dangling).map { "\($0.line) \($0.reason)" } == [
                "2 ``Pot`` is declared nowhere", "3 ``Port/sent(_:)``: no sent there", "4 ``Other/send(_:)``: no send there",
                "8 ``Here`` is declared nowhere",
            ])
    }

    @Test("suites that need to be alone and are not named so, and the other way round")
    func alone() {
        let files = [
            SourceFile(
                path: "Tests/ATests/Timed.swift",
                text: "struct TimedTests {\n    @Test func a() { let server = TestServer() }\n}\nstruct Helper { let node = NodeFixture() }"
            ),
            SourceFile(path: "Tests/ATests/More.swift", text: "extension LateTests {\n    func b() { ContinuousClock() }\n}"),
            SourceFile(path: "Tests/ATests/Late.swift", text: "struct LateTests {\n    @Test(\"pace\") func a() {}  // TestServer\n}"),
            SourceFile(path: "Tests/Simulation/Tests/Pure.swift", text: "@Suite struct PureTests {\n    @Test func a() {}\n}"),
        ]
        func found(_ list: String) -> [String] { AloneSuites.violations(list, files).map { "\($0.line) \($0.reason)" } }
        #expect(found("# why\n\nATests.LateTests  by the clock\nATests.TimedTests  on a socket\n").isEmpty)
        #expect(
            found("ATests.TimedTests   on sockets\nATests.LateTests  by the clock") == [
                "1 ATests.TimedTests has no reason", "2 ATests.LateTests stands behind ATests.TimedTests",
            ])
        #expect(
            found("ATests.Helper  of a node\nATests.LateTests  by the clock\nSimulationTests.PureTests  for no reason") == [
                "1 there is no suite ATests.Helper", "3 SimulationTests.PureTests needs nothing that must be alone",
                "0 ATests.TimedTests uses TestServer, and is not named",
            ])
    }
}
