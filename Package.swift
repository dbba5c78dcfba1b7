// swift-tools-version: 6.2
import PackageDescription

/// Every target of ours is held to the same rules: Swift 6 concurrency, no warnings.
///
/// Not `NonisolatedNonsendingByDefault`: in Swift 6.3.1 such a function may throw from another thread than its caller's actor's
/// (swiftlang/swift#88259).
let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .treatAllWarnings(as: .error),
]

func library(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: settings)
}

func tests(_ name: String, _ dependencies: [Target.Dependency], exclude: [String] = []) -> Target {
    .testTarget(name: name, dependencies: dependencies, exclude: exclude, swiftSettings: settings)
}

// In layer order, from the C libraries up (docs/explanation/architecture.md). Imports point down only.
let package = Package(
    name: "forebay",
    products: [
        .executable(name: "forebay", targets: ["forebay"])
    ],
    targets: [
        // C: a module map and a shim each. Linked by the module map, never by pkg-config's flags.
        .systemLibrary(name: "CUV", providers: [.apt(["libuv1-dev"])]),
        .systemLibrary(name: "CRDKafka", providers: [.apt(["librdkafka-dev"])]),
        .systemLibrary(name: "CYAML", providers: [.apt(["libyaml-dev"])]),
        // Strict mode is tested on llhttp.c's first line, so it must be a flag. Loose lets smuggling attacks through.
        .target(name: "CLLHTTP", cSettings: [.define("LLHTTP_STRICT_MODE", to: "1")]),
        .target(name: "CCRC32C"),

        library("ForebayTelemetry", []),
        library("ForebayCore", ["ForebayTelemetry"]),
        library("ForebayNet", ["ForebayCore", "ForebayTelemetry", "CUV"]),

        library("ForebaySpool", ["ForebayCore", "ForebayTelemetry", "CCRC32C"]),
        library("ForebayKafka", ["ForebayCore", "ForebayTelemetry", "ForebayNet", "CRDKafka"]),
        library("ForebayHTTP", ["ForebayCore", "ForebayTelemetry", "ForebayNet", "CLLHTTP"]),
        library("ForebayYAML", ["ForebayCore", "CYAML"]),

        library("ForebayDelivery", ["ForebayCore", "ForebayTelemetry", "ForebayNet", "ForebayKafka", "ForebaySpool"]),

        library("ForebayIngest", ["ForebayCore", "ForebayTelemetry", "ForebayNet", "ForebayHTTP"]),
        library("ForebayBuffer", ["ForebayCore", "ForebayTelemetry", "ForebayNet", "ForebaySpool"]),
        library("ForebayForward", ["ForebayCore", "ForebayDelivery"]),
        library("ForebayMirror", ["ForebayCore", "ForebayDelivery"]),

        library("ForebayAdmin", ["ForebayCore", "ForebayTelemetry", "ForebayNet", "ForebayHTTP"]),
        library("ForebayConfig", ["ForebayCore", "ForebayTelemetry", "ForebayKafka", "ForebayYAML", "ForebayIngest"]),
        library(
            "ForebayRuntime",
            [
                "ForebayCore", "ForebayTelemetry", "ForebayNet", "ForebaySpool", "ForebayKafka", "ForebayHTTP", "ForebayDelivery",
                "ForebayIngest", "ForebayBuffer", "ForebayForward", "ForebayMirror", "ForebayAdmin",
                "ForebayConfig",
            ]),
        .executableTarget(
            name: "forebay",
            dependencies: [
                "ForebayRuntime", "ForebayConfig", "ForebayAdmin", "ForebayCore", "ForebayTelemetry", "ForebayHTTP", "ForebaySpool",
                "ForebayIngest",
            ],
            swiftSettings: settings),

        library("ForebayTestKit", ["ForebayCore", "ForebayTelemetry", "ForebayNet", "ForebaySpool", "ForebayKafka", "ForebayHTTP"]),
        .executableTarget(
            name: "DrainBenchmark",
            dependencies: [
                "ForebayDelivery", "ForebayKafka", "ForebayNet", "ForebaySpool", "ForebayCore", "ForebayTelemetry", "ForebayTestKit",
            ],
            path: "Benchmarks/Drain", swiftSettings: settings),
        .executableTarget(
            name: "ReadBenchmark", dependencies: ["ForebaySpool", "ForebayCore", "ForebayTelemetry", "ForebayTestKit"],
            path: "Benchmarks/Read", swiftSettings: settings),
        tests("ForebayTelemetryTests", ["ForebayTelemetry"]),
        tests("ForebayCoreTests", ["ForebayCore", "ForebayTestKit"]),
        tests("ForebayNetTests", ["ForebayNet", "ForebayTestKit"]),
        tests("ForebaySpoolTests", ["ForebaySpool", "ForebayCore", "ForebayTelemetry", "ForebayTestKit"], exclude: ["Fixtures"]),
        tests("ForebayKafkaTests", ["CRDKafka", "ForebayKafka", "ForebayNet", "ForebayCore", "ForebayTelemetry", "ForebayTestKit"]),
        tests("ForebayHTTPTests", ["ForebayHTTP", "ForebayTestKit"], exclude: ["h11_oracle.py"]),
        tests("ForebayYAMLTests", ["ForebayYAML", "ForebayTestKit"]),
        tests("ForebayIngestTests", ["ForebayIngest", "ForebayTestKit"]),
        tests("ForebayBufferTests", ["ForebayBuffer", "ForebayCore", "ForebayNet", "ForebaySpool", "ForebayTelemetry", "ForebayTestKit"]),
        tests(
            "ForebayDeliveryTests",
            [
                "ForebayForward", "ForebayDelivery", "ForebayKafka", "ForebayNet", "ForebaySpool", "ForebayCore", "ForebayTelemetry",
                "ForebayTestKit",
            ]),
        tests("ForebayAdminTests", ["ForebayAdmin", "ForebayTestKit"]),
        // Configurations from texts, for the tests of the configuration and of all that is made with one.
        .target(
            name: "ConfigurationWorld", dependencies: ["ForebayConfig"], path: "Tests/ConfigurationWorld", swiftSettings: settings),
        tests("ForebayConfigTests", ["ForebayConfig", "ForebayCore", "ConfigurationWorld", "ForebayIngest", "ForebayTelemetry"]),
        tests(
            "ForebayRuntimeTests",
            [
                "ForebayRuntime", "ForebayConfig", "ConfigurationWorld", "ForebayCore", "ForebayHTTP", "ForebayIngest", "ForebayKafka",
                "ForebaySpool", "ForebayTelemetry", "ForebayTestKit",
            ]),
        tests(
            "ForebayCommandTests",
            [
                "forebay", "ForebayRuntime", "ForebayConfig", "ForebayHTTP", "ForebayKafka", "ForebaySpool", "ForebayCore",
                "ForebayTelemetry", "ForebayTestKit",
            ]),
        // The real spool and stages on a simulated disk, clock and Kafka: the world, a bounded form of it as tests, and the command.
        .target(
            name: "Simulation",
            dependencies: [
                "ForebayRuntime", "ForebaySpool", "ForebayBuffer", "ForebayForward", "ForebayMirror", "ForebayDelivery", "ForebayKafka",
                "ForebayCore", "ForebayTelemetry", "ForebayTestKit",
            ],
            path: "Tests/Simulation/World", swiftSettings: settings),
        .executableTarget(
            name: "forebay-simulate", dependencies: ["Simulation", "ForebayTestKit"], path: "Tests/Simulation/Command",
            swiftSettings: settings),
        .testTarget(
            name: "SimulationTests",
            dependencies: [
                "Simulation", "forebay-simulate", "ForebaySpool", "ForebayBuffer", "ForebayForward", "ForebayDelivery", "ForebayKafka",
                "ForebayCore", "ForebayTelemetry", "ForebayTestKit",
            ],
            path: "Tests/Simulation/Tests", swiftSettings: settings),
        tests("TidyTests", []),
    ],
    cLanguageStandard: .gnu11
)
