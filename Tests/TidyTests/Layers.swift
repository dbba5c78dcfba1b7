/// The layers of docs/explanation/architecture.md: imports point down, siblings never import each other.
enum Layers {
    /// From the bottom up. A target may import what stands in a row below its own, and nothing of its own row.
    static let rows: [[String]] = [
        ["CUV", "CRDKafka", "CHiredis", "CLLHTTP", "CYAML", "CCRC32C"],
        ["ForebayTelemetry"],
        ["ForebayCore"],
        ["ForebayNet"],
        ["ForebaySpool", "ForebayKafka", "ForebayRedis", "ForebayHTTP", "ForebayYAML"],
        ["ForebayDelivery"],
        ["ForebayIngest", "ForebayBuffer", "ForebayFailover", "ForebayForward", "ForebayMirror", "ForebayArchive"],
        ["ForebayAdmin"],
        ["ForebayConfig"],
        ["ForebayRuntime"],
        ["forebay"],
    ]

    /// Beside everything; tests alone may import it, and it must not know a stage.
    static let testKit = "ForebayTestKit"

    /// What measures, what simulates, and what tests are made with: they stand above everything and may use it all.
    static func isAbove(_ target: String) -> Bool {
        target.hasSuffix("Benchmark") || ["Simulation", "ConfigurationWorld"].contains(target)
    }

    /// C has one door.
    static let doors = [
        "CUV": "ForebayNet", "CRDKafka": "ForebayKafka", "CHiredis": "ForebayRedis", "CLLHTTP": "ForebayHTTP", "CYAML": "ForebayYAML",
        "CCRC32C": "ForebaySpool",
    ]

    /// Of the toolchain.
    static let system: Set<String> = ["Swift", "Synchronization", "Glibc", "Musl", "Darwin"]

    static func isStage(_ target: String) -> Bool { Self.rows.first { $0.contains("ForebayForward") }!.contains(target) }

    static func row(of target: String) -> Int? { Self.rows.firstIndex { $0.contains(target) } }

    /// Why `target` may not import `module`; none if it may. Of a target under Sources.
    static func refusal(of module: String, in target: String) -> String? {
        if Self.system.contains(module) { return nil }
        if let door = Self.doors[module] {
            return door == target ? nil : "\(module) has one importer, \(door)"
        }
        if Self.isAbove(target) { return nil }
        guard let row = Self.row(of: module) else { return "\(module) has no place in the layers" }
        if target == Self.testKit {
            return row < Self.rows.firstIndex { $0.contains("ForebayDelivery") }!
                ? nil : "\(module) is a stage or above; the test kit knows none"
        }
        guard let own = Self.row(of: target) else { return "\(target) has no place in the layers" }
        if row == own { return "\(module) is a sibling of \(target)" }
        return row < own ? nil : "\(module) stands above \(target)"
    }
}

/// The dependencies that Package.swift declares, read as text: one call for each target, its name first, lists in brackets.
enum PackageText {
    static func dependencies(_ text: String) -> [(target: String, dependencies: [String])] {
        let call =
            /(?:library|\.executableTarget|\.target|tests)\(\s*(?:name:\s*)?"(?<name>\w+)",\s*(?:dependencies:\s*)?\[(?<list>[^\]]*)\]/
        return text.matches(of: call).map { match in
            (String(match.name), match.list.matches(of: /"(\w+)"/).map { String($0.1) })
        }
    }
}
