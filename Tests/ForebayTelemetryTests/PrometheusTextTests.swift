import Foundation
import Testing

@testable import ForebayTelemetry

@Suite("Prometheus text")
struct PrometheusTextTests {
    private func sample() -> MetricsRegistry {
        let registry = MetricsRegistry()
        registry.counter("forebay_ba_total", help: "Line\nbreak, \\ and \"quotes\".", labels: ["topic": "a\"b\\c\nd"]).increment(by: 3)
        registry.gauge("forebay_a_bytes", help: "A.").set(1.5)
        registry.gauge("forebay_big", help: "Big.").set(UInt64(1) << 40)
        let histogram = registry.histogram("forebay_c_seconds", help: "C.", labels: ["x": "1"], bounds: [0.001, 1, 2.5])
        for value in [0x1p-12, 0.5, 2, 9] { histogram.observe(value) }
        return registry
    }

    @Test("text 0.0.4, exact")
    func prometheus() {
        #expect(
            self.sample().render() == #"""
                # HELP forebay_a_bytes A.
                # TYPE forebay_a_bytes gauge
                forebay_a_bytes 1.5
                # HELP forebay_ba_total Line\nbreak, \\ and "quotes".
                # TYPE forebay_ba_total counter
                forebay_ba_total{topic="a\"b\\c\nd"} 3
                # HELP forebay_big Big.
                # TYPE forebay_big gauge
                forebay_big 1099511627776
                # HELP forebay_c_seconds C.
                # TYPE forebay_c_seconds histogram
                forebay_c_seconds_bucket{x="1",le="0.001"} 1
                forebay_c_seconds_bucket{x="1",le="1"} 2
                forebay_c_seconds_bucket{x="1",le="2.5"} 3
                forebay_c_seconds_bucket{x="1",le="+Inf"} 4
                forebay_c_seconds_sum{x="1"} 11.500244140625
                forebay_c_seconds_count{x="1"} 4

                """#)
    }

    @Test("OpenMetrics 1.0, exact")
    func openMetrics() {
        #expect(
            self.sample().render(.openMetrics) == #"""
                # HELP forebay_a_bytes A.
                # TYPE forebay_a_bytes gauge
                forebay_a_bytes 1.5
                # HELP forebay_ba Line\nbreak, \\ and \"quotes\".
                # TYPE forebay_ba counter
                forebay_ba_total{topic="a\"b\\c\nd"} 3
                # HELP forebay_big Big.
                # TYPE forebay_big gauge
                forebay_big 1099511627776
                # HELP forebay_c_seconds C.
                # TYPE forebay_c_seconds histogram
                forebay_c_seconds_bucket{x="1",le="0.001"} 1
                forebay_c_seconds_bucket{x="1",le="1.0"} 2
                forebay_c_seconds_bucket{x="1",le="2.5"} 3
                forebay_c_seconds_bucket{x="1",le="+Inf"} 4
                forebay_c_seconds_sum{x="1"} 11.500244140625
                forebay_c_seconds_count{x="1"} 4
                # EOF

                """#)
    }

    @Test("OpenMetrics: a counter beside a gauge of its bare name keeps its own name")
    func collision() {
        let registry = MetricsRegistry()
        registry.counter("forebay_dead_letters_total", help: "Ever.").increment()
        registry.gauge("forebay_dead_letters", help: "Now.").set(1)
        #expect(
            registry.render(.openMetrics) == """
                # HELP forebay_dead_letters Now.
                # TYPE forebay_dead_letters gauge
                forebay_dead_letters 1
                # HELP forebay_dead_letters_total Ever.
                # TYPE forebay_dead_letters_total unknown
                forebay_dead_letters_total 1
                # EOF

                """)
        #expect(registry.render().contains("# TYPE forebay_dead_letters_total counter\n"))
    }

    @Test(
        "numbers as Prometheus reads them",
        arguments: [
            (0.0, "0"), (-2, "-2"), (1e14, "100000000000000"), (1e300, "1e+300"), (0.000_01, "1e-05"), (.infinity, "+Inf"),
            (-.infinity, "-Inf"),
            (.nan, "NaN"),
        ])
    func numbers(value: Double, text: String) {
        #expect(PrometheusText.number(value) == text)
    }

    @Test("the process's own numbers are there and sane")
    func process() throws {
        let registry = MetricsRegistry()
        ProcessMetrics.register(in: registry)
        ProcessMetrics.registerBuild(["version": "1.2.3", "swift": "6.3"], in: registry)
        let text = registry.render()
        #expect(text.contains(#"forebay_build_info{swift="6.3",version="1.2.3"} 1"#))
        func value(_ name: String) throws -> Double { try #require(Double(text.between("\n\(name) ", "\n") ?? "")) }
        #expect(try value("process_resident_memory_bytes") > 1e6)
        #expect(try value("process_cpu_seconds_total") > 0)
        #expect(try value("process_open_fds") >= 3)
        #expect(try value("process_max_fds") >= value("process_open_fds"))
        let start = try value("process_start_time_seconds")
        #expect(start > 1.7e9 && start <= Date().timeIntervalSince1970 + 1)
    }

    @Test("open descriptors are counted as the kernel lists them")
    func openDescriptors() {
        let before = ProcessMetrics.read().openDescriptors
        let more = (0..<50).map { _ in dup(1) }
        let during = ProcessMetrics.read().openDescriptors
        more.forEach { close($0) }
        #expect(abs(during - before - 50) < 20)  // Other tests open and close meanwhile.
    }

    @Test("promtool of Debian's 'prometheus' package finds nothing to say", .enabled(if: Promtool.isPresent, "promtool is not installed"))
    func promtool() throws {
        let registry = self.sample()
        ProcessMetrics.register(in: registry)
        ProcessMetrics.registerBuild(["version": "1.2.3"], in: registry)
        for index in 0..<600 { registry.counter("forebay_cap_total", help: "Cap.", labels: ["topic": "t\(index)"]).increment() }
        let result = try Promtool.check(registry.render())
        #expect(result.output.isEmpty)
        #expect(result.status == 0)
    }

    @Test("promtool would see a mistake", .enabled(if: Promtool.isPresent, "promtool is not installed"))
    func promtoolSees() throws {
        #expect(try Promtool.check("# TYPE a counter\na{x=\"1} 3\n").status != 0)
    }
}

enum Promtool {
    struct Result {
        let status: Int32
        let output: String
    }

    static let path = "/usr/bin/promtool"
    static var isPresent: Bool { access(Self.path, X_OK) == 0 }

    static func check(_ text: String) throws -> Result {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: Self.path)
        process.arguments = ["check", "metrics"]
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("forebay-metrics-\(UUID().uuidString)")
        try Data(text.utf8).write(to: file)
        defer { unlink(file.path) }
        let output = Pipe()
        process.standardInput = try FileHandle(forReadingFrom: file)
        process.standardOutput = output
        process.standardError = output
        try process.run()
        let data = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return Result(status: process.terminationStatus, output: String(decoding: data, as: UTF8.self))
    }
}
