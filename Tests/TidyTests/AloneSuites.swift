/// The suites that Tests/alone names: their tests run one by one with nothing beside them. Who uses what holds somebody to real time is
/// named, and nobody else is.
enum AloneSuites {
    /// What a suite uses that must be alone: servers and clients on sockets, whole nodes, other programs that are killed after a while, and
    /// the real clock.
    static let needs: Set<String> = [
        "BuiltProgram", "ContinuousClock", "ContractCluster", "EventLoop", "FreePorts", "KafkaCluster", "KafkaMockCluster", "Listener",
        "Loopback", "NodeFixture", "NodeProcess", "ScriptedServer", "TestServer", "pace",
    ]

    static func violations(_ list: String, _ files: [SourceFile]) -> [Violation] {
        let all = Self.suites(files)
        var (found, last, named) = ([Violation](), "", Set<String>())
        func refuse(_ line: Int, _ reason: String) { found.append(Violation(path: "Tests/alone", line: line, reason: reason)) }
        for (index, line) in list.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            guard !line.isEmpty, !line.hasPrefix("#") else { continue }
            let name = String(line.prefix { $0 != " " })
            if line.drop(while: { $0 != " " }).split(separator: " ").count < 3 { refuse(index + 1, "\(name) has no reason") }
            if name <= last { refuse(index + 1, "\(name) stands behind \(last)") }
            if let needs = all[name] {
                if needs.isEmpty { refuse(index + 1, "\(name) needs nothing that must be alone") }
            } else {
                refuse(index + 1, "there is no suite \(name)")
            }
            last = name
            named.insert(name)
        }
        for (name, needs) in all.sorted(by: { $0.key < $1.key }) where !needs.isEmpty && !named.contains(name) {
            refuse(0, "\(name) uses \(needs.sorted().joined(separator: ", ")), and is not named")
        }
        return found
    }

    /// What each suite needs, by its target and name.
    static func suites(_ files: [SourceFile]) -> [String: Set<String>] {
        var (used, tested): ([String: Set<String>], Set<String>) = ([:], [])
        for file in files where file.isTest {
            var suite = ""
            for line in file.code {
                let words = line.split { !($0.isLetter || $0.isNumber || $0 == "_") }.map(String.init)
                // A type of the file's own, or what it extends.
                if line.first?.isWhitespace == false,
                    let kind = words.firstIndex(where: ["struct", "class", "actor", "enum", "extension"].contains),
                    kind + 1 < words.count
                {
                    suite = "\(file.path.hasPrefix("Tests/Simulation/Tests/") ? "SimulationTests" : file.target).\(words[kind + 1])"
                }
                used[suite, default: []].formUnion(Self.needs.intersection(words))
                if line.contains("@Test") { tested.insert(suite) }
            }
        }
        return used.filter { tested.contains($0.key) }
    }
}
