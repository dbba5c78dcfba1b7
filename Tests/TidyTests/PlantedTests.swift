import Testing

/// Each rule against text that breaks it and text that keeps it: a rule that can't fail checks nothing.
@Suite("Tidy: the rules see what they are for")
struct PlantedTests {
    func found(_ rule: (SourceFile) -> [Violation], _ path: String, _ text: String) -> [Int] {
        rule(SourceFile(path: path, text: text)).map(\.line)
    }

    @Test("imports that point up or sideways, or use another's C library")
    func imports() {
        let cases: [(String, String, Bool)] = [
            ("Sources/ForebayCore/A.swift", "import ForebayNet", false),
            ("Sources/ForebayCore/A.swift", "package import ForebayTelemetry", true),
            ("Sources/ForebayIngest/A.swift", "import ForebayBuffer", false),
            ("Sources/ForebayIngest/A.swift", "@preconcurrency import ForebayHTTP", true),
            ("Sources/ForebayKafka/A.swift", "import CRDKafka", true),
            ("Sources/ForebayDelivery/A.swift", "import CRDKafka", false),
            ("Sources/ForebayTestKit/A.swift", "internal import CRDKafka", false),
            ("Sources/ForebayTestKit/A.swift", "import ForebayKafka", true),
            ("Sources/ForebayTestKit/A.swift", "import ForebayDelivery", false),
            ("Sources/ForebayRuntime/A.swift", "import ForebayTestKit", false),
            ("Sources/ForebayHTTP/A.swift", "import CUV", false),
            ("Sources/ForebaySpool/A.swift", "import struct ForebayKafka.Thing", false),
            ("Sources/ForebaySpool/A.swift", "import Dispatch", false),
            ("Sources/ForebaySpool/A.swift", "// import CUV\nlet a = \"import CUV\"", true),
            ("Tests/ForebayHTTPTests/A.swift", "import CLLHTTP", true),
            ("Tests/ForebayNetTests/A.swift", "@testable import CLLHTTP", false),
        ]
        for (path, text, isAllowed) in cases {
            #expect(self.found(Rules.imports, path, text).isEmpty == isAllowed, "\(path): \(text)")
        }
    }

    @Test("closures that a Mutex wraps anew at each look")
    func wrappedClosures() {
        for (text, isAllowed) in [
            ("let target = Mutex<(@Sendable () -> Void)?>(nil)", false), ("let a = Mutex<(calls: [Int], rule: ((Int) -> Int)?)>(x)", false),
            ("let a = Mutex<(calls: [Int], last: Int)>(x)", true), ("let a = Mutex<[Int: @Sendable () -> Void]>([:])", true),
            ("let target = Mutex(Target())", true),
        ] {
            #expect(self.found(Rules.wrappedClosures, "Sources/ForebayCore/A.swift", text).isEmpty == isAllowed, "\(text)")
        }
    }

    @Test("functions that throw on their caller's actor")
    func throwingOnCallersActor() {
        for (text, isAllowed) in [
            ("nonisolated(nonsending) func f() async throws {}", false),
            ("nonisolated(nonsending) func f(\n) async throws(E) -> Int {}", false),
            ("nonisolated(nonsending) func f() async -> Result<Int, E> {}\nfunc g() async throws {}", true),
            ("func f(isolation: isolated (any Actor)? = #isolation) async throws {}", true),
        ] {
            #expect(
                self.found(Rules.throwingOnCallersActor, "Sources/ForebayCore/A.swift", text) == (isAllowed ? [] : [1]), "\(text)")
        }
    }

    @Test(
        "streams without a bound",
        arguments: [
            "let (s, c) = AsyncStream.makeStream(of: Batch.self)",
            "let (s, c) = AsyncStream<Batch>.makeStream()",
            "let (s, c) = AsyncStream.makeStream(\n    of: Batch.self,\n    bufferingPolicy: .unbounded)",
            "return AsyncStream<Batch> { continuation in }",
            "AsyncStream { continuation in }",
            "let s = AsyncStream(Batch.self) { c in }",
            "let s = AsyncThrowingStream<Batch, any Error> { c in }",
            "AsyncStream.makeStream(of: Batch.self, bufferingPolicy: .bufferingNewest(100))",
        ])
    func streams(text: String) {
        #expect(self.found(Rules.unboundedStreams, "Sources/ForebayCore/A.swift", text) == [1])
    }

    @Test(
        "streams that are pulled, signals, and types",
        arguments: [
            "AsyncStream(unfolding: { await self.next() })",
            "let (s, c) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))",
            "let (s, c) = AsyncStream.makeStream(\n    of: Void.self, bufferingPolicy: .bufferingNewest(1))",
            "func batches() -> AsyncStream<Batch> {",
            "var batches: AsyncStream<Batch> {",
            "// AsyncStream.makeStream(of: Batch.self)",
            "let batches: AsyncStream<Batch>",
        ])
    func boundedStreams(text: String) {
        #expect(self.found(Rules.unboundedStreams, "Sources/ForebayCore/A.swift", text).isEmpty)
    }

    @Test(
        "tests that sleep",
        arguments: [
            "try await Task.sleep(for: .seconds(1))", "usleep(1000)", "Thread.sleep(forTimeInterval: 1)", "sleep(1)",
            "try await clock.sleep(until: x)",
            "nanosleep(&a, nil)",
        ])
    func sleeping(text: String) {
        #expect(self.found(Rules.sleepingTests, "Tests/ATests/A.swift", "\n" + text) == [2])
        #expect(self.found(Rules.sleepingTests, "Sources/ForebayTestKit/A.swift", text) == [1])
        #expect(self.found(Rules.sleepingTests, "Sources/ForebayCore/A.swift", text).isEmpty)
        #expect(self.found(Rules.sleepingTests, "Tests/ATests/A.swift", "// " + text + "\nlet asleep = sleeping(\"sleep(1)\")").isEmpty)
    }

    @Test(
        "time, chance and threads that a simulation can't decide",
        arguments: [
            "Task { await self.run() }", "let a = Task{}", "Task.detached { }", "Task(priority: .low) { }", "Task.immediate {",
            "try await Task.sleep(for: .seconds(1))", "WallClock.milliseconds", "MonotonicClock.nanoseconds", "ContinuousClock.now",
            "Int.random(in: 0..<3)", "list.randomElement()", "list.shuffled()", "var g = SystemRandomNumberGenerator()",
            "init(loop: EventLoop)", "ThreadExecutor(label: \"a\")",
        ])
    func outside(text: String) {
        for path in ["ForebayDelivery/A.swift", "ForebayDelivery/State/A.swift", "ForebayBuffer/A.swift", "ForebayCore/Link/A.swift"] {
            #expect(self.found(Rules.surroundings, "Sources/" + path, "\n" + text) == [2], "\(text)")
        }
        for path in ["Sources/ForebayNet/A.swift", "Sources/ForebayCore/Support/A.swift", "Tests/ForebayDeliveryTests/A.swift"] {
            #expect(self.found(Rules.surroundings, path, text).isEmpty, "\(text)")
        }
        #expect(self.found(Rules.surroundings, "Sources/ForebayBuffer/A.swift", "// " + text).isEmpty)
    }

    @Test(
        "what comes from the surroundings, and types",
        arguments: [
            "Task(preferring: self.surroundings.tasks) { await self.run() }", "var task: Task<Void, Never>?", "Task.isCancelled",
            "try await self.surroundings.time.sleep(milliseconds: 5)", "Int.random(in: 0..<3, using: &self.generator)",
            "Int.random(\n    in: 0..<3,\n    using: &generator)", "static func random(using generator: inout some RandomNumberGenerator)",
            "list.randomElement(using: &generator)", "LoopTask { }", "import ForebayNet  // EventLoop",
        ])
    func surroundings(text: String) {
        #expect(self.found(Rules.surroundings, "Sources/ForebayDelivery/A.swift", text).isEmpty, "\(text)")
    }

    @Test("@unchecked Sendable without its reason")
    func uncheckedSendable() {
        let path = "Sources/ForebayCore/A.swift"
        #expect(self.found(Rules.uncheckedSendable, path, "final class A: @unchecked Sendable {") == [1])
        #expect(self.found(Rules.uncheckedSendable, path, "// fast\nfinal class A: @unchecked Sendable {") == [2])
        #expect(
            self.found(Rules.uncheckedSendable, path, "let x = 1  // Safe because: other line\n\nclass A: @unchecked Sendable {") == [3])
        #expect(self.found(Rules.uncheckedSendable, path, "// Safe because: it is locked.\nfinal class A: @unchecked Sendable {").isEmpty)
        #expect(self.found(Rules.uncheckedSendable, path, "// Safe because: long\n// story.\nfinal class A: @unchecked Sendable {").isEmpty)
        #expect(self.found(Rules.uncheckedSendable, path, "class A: @unchecked Sendable {\n    // Safe because: locked.").isEmpty)
        #expect(self.found(Rules.uncheckedSendable, path, "class A: @unchecked Sendable {\n\n    // Safe because: b.") == [1])
        #expect(self.found(Rules.uncheckedSendable, path, "class A: @unchecked Sendable {  // Safe because: read only.").isEmpty)
    }

    @Test("try? without a reason")
    func silentTry() {
        let path = "Sources/ForebayCore/A.swift"
        #expect(self.found(Rules.silentTry, path, "let a = 1\nlet b = try? c()") == [2])
        #expect(self.found(Rules.silentTry, path, "let a = \"http://x\"\nlet b = try? c()") == [2])
        #expect(self.found(Rules.silentTry, path, "let b = try? c()  // The file may be gone.").isEmpty)
        #expect(self.found(Rules.silentTry, path, "// The file may be gone.\nlet b = try? c()").isEmpty)
        #expect(self.found(Rules.silentTry, path, "let entries: [Entry?] = []").isEmpty)
        #expect(self.found(Rules.silentTry, path, "let a = (try? b())") == [1])
        #expect(self.found(Rules.silentTry, path, "let s = \"try? again\"").isEmpty)
    }

    @Test("Foundation in the server")
    func foundation() {
        #expect(self.found(Rules.foundation, "Sources/ForebayCore/A.swift", "import Glibc\nimport Foundation") == [2])
        #expect(self.found(Rules.foundation, "Sources/ForebayCore/A.swift", "import FoundationEssentials") == [1])
        #expect(self.found(Rules.foundation, "Tests/ATests/A.swift", "import Foundation").isEmpty)
    }

    @Test("long files, wide lines")
    func sizes() {
        let path = "Sources/ForebayCore/A.swift"
        #expect(self.found(Rules.length, path, String(repeating: "a\n", count: 300)).isEmpty)
        #expect(self.found(Rules.length, path, String(repeating: "a\n", count: 301)) == [301])
        #expect(self.found(Rules.width, path, "a\n" + String(repeating: "b", count: 141)) == [2])
        #expect(self.found(Rules.width, path, String(repeating: "b", count: 140)).isEmpty)
        #expect(self.found(Rules.width, path, "    \"" + String(repeating: "b", count: 140) + "\"").isEmpty)
        #expect(self.found(Rules.width, path, "    // \"" + String(repeating: "b", count: 140) + "\"") == [1])
    }

    @Test("state files that wait, look at clocks or do I/O")
    func stateFiles() {
        for text in [
            "mutating func a() async {", "await b()", "let now = ContinuousClock.now", "import Glibc", "private let log = Logger(label: x)",
        ] {
            #expect(self.found(Rules.stateFiles, "Sources/ForebayDelivery/DeliveryState.swift", text) == [1], "\(text)")
            #expect(self.found(Rules.stateFiles, "Sources/ForebayDelivery/DeliveryEngine.swift", text).isEmpty)
        }
        #expect(self.found(Rules.stateFiles, "Sources/ForebayDelivery/DeliveryState.swift", "/// no async, no clock\nstruct A {}").isEmpty)
    }

    @Test("traps")
    func traps() {
        let path = "Sources/ForebayCore/A.swift"
        #expect(self.found(Rules.traps, path, "default: fatalError(\"unreachable\")") == [1])
        #expect(self.found(Rules.traps, path, "let a = try! b()") == [1])
        #expect(self.found(Rules.traps, path, "precondition(a > 0)").isEmpty)
        #expect(self.found(Rules.traps, "Tests/ATests/A.swift", "let a = try! b()").isEmpty)
    }

    @Test("dependencies that are declared upwards")
    func declared() {
        let package = """
            library("ForebayTelemetry", []),
            library("ForebayCore", ["ForebayTelemetry", "ForebaySpool"]),
            library(
                "ForebayRuntime",
                [
                    "ForebayCore", "ForebayTestKit",
                ]),
            .executableTarget(
                name: "forebay", dependencies: ["ForebayRuntime", "CUV"],
                swiftSettings: settings),
            tests("ForebayCoreTests", ["ForebayCore", "ForebayTestKit"]),
            """
        #expect(
            WholeTreeRules.declared(package).map(\.reason) == [
                "ForebayCore: ForebaySpool stands above ForebayCore", "ForebayRuntime: ForebayTestKit has no place in the layers",
                "forebay: CUV has one importer, ForebayNet",
            ])
    }

    @Test("a second maker of receipts")
    func receipts() {
        let type = SourceFile(path: "Sources/ForebayCore/Submission.swift", text: "package struct DurableReceipt: Sendable {\n init() {} }")
        let sync = SourceFile(
            path: "Sources/ForebaySpool/GroupCommit.swift", text: "ack.resolve(DurableReceipt(origin: a, firstSequences: b))")
        let cheat = SourceFile(path: "Sources/ForebayBuffer/Fast.swift", text: "ack.resolve(DurableReceipt(origin: a, firstSequences: b))")
        let test = SourceFile(path: "Tests/ATests/A.swift", text: "DurableReceipt(origin: a, firstSequences: b)")
        #expect(WholeTreeRules.receipts([type, sync, test]).isEmpty)
        #expect(WholeTreeRules.receipts([type, sync, cheat]).map(\.path) == [sync.path, cheat.path])
    }

    @Test("metrics that the page tells otherwise")
    func metricNames() {
        let source = """
            // "forebay_comment_total"
            registry.counter("forebay_a_total", help: "A (of b).", labels: ["x": y, "z": "1"])
            func gauge(_ name: String) {}
            self.b = gauge("forebay_b", "B.")
            let c = registry.histogram(
                "forebay_c_seconds", help: "C.", bounds: [1])
            """
        let made = MetricNames.made(in: [SourceFile(path: "Sources/ForebayCore/A.swift", text: source)])
        let page = """
            | name | type | labels | what |
            | `forebay_a_total` | counter | `x`, `z` | a |
            | `forebay_b` | gauge | | b |
            | `forebay_c_seconds` | histogram | `q` | c |
            """
        #expect(MetricNames.differences(made: made, told: MetricNames.told(in: page)) == [])
        let wrong = page.replacing("`z`", with: "`w`").replacing("forebay_b", with: "forebay_bb").replacing("histogram", with: "gauge")
        #expect(
            MetricNames.differences(made: made, told: MetricNames.told(in: wrong)) == [
                "forebay_a_total has the labels [\"x\", \"z\"]", "forebay_b is not on the page",
                "forebay_bb is on the page and not in the sources", "forebay_c_seconds is a histogram",
            ])
    }

    @Test(
        "a stage or an engine without its four files",
        arguments: [
            ("ForebayDelivery", ["FlowEngine", "FlowState", "FlowSettings", "FlowMetrics"], []),
            ("ForebayDelivery", ["FlowEngine", "FlowState", "FlowSettings"], ["has no FlowMetrics.swift beside it"]),
            ("ForebayIngest", ["FlowStage", "FlowState", "FlowConfiguration", "FlowMetrics"], []),
            ("ForebayIngest", ["FlowStage", "FlowState", "FlowMetrics"], ["has no FlowConfiguration.swift beside it"]),
            ("ForebayCore", ["FlowStage"], []),
        ])
    func stageShape(target: String, names: [String], reasons: [String]) {
        let files = names.map { SourceFile(path: "Sources/\(target)/\($0).swift", text: "") }
        #expect(WholeTreeRules.stageShape(files).map(\.reason) == reasons)
    }

    @Test("a stage over an engine needs no state of its own")
    func thinStage() {
        let stage = SourceFile(path: "Sources/ForebayMirror/MirrorStage.swift", text: "package import ForebayDelivery")
        #expect(WholeTreeRules.stageShape([stage]).isEmpty)
    }

    @Test("comments and strings are no code; lines keep their numbers")
    func blanking() {
        let parts = CodeText("a /* b /* c */ d */ e // f\n\"g\\\"h\" i #\"j\"k\"# l\n\"\"\"\nm\n\"\"\" n")
        #expect(parts.code == "a                   e     \n\"    \" i #\"   \"# l\n\"\"\"\n \n\"\"\" n")
        #expect(parts.comments.split(separator: "\n").first == "  /* b /* c */ d */   // f")
    }
}
