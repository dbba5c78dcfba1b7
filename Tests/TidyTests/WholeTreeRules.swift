/// Rules that need more than one file.
enum WholeTreeRules {
    /// What Package.swift declares must obey the layers too, or a target could link what it may not import.
    static func declared(_ package: String) -> [Violation] {
        PackageText.dependencies(package).flatMap { target, dependencies in
            dependencies.compactMap { dependency in
                guard !target.hasSuffix("Tests"), let refusal = Layers.refusal(of: dependency, in: target) else { return nil }
                return Violation(path: "Package.swift", line: 0, reason: "\(target): \(refusal)")
            }
        }
    }

    /// The proof of durability is made in one file of the server: the one that syncs.
    static func receipts(_ files: [SourceFile]) -> [Violation] {
        let makers = Self.receiptMakers(files)
        guard makers.count > 1 else { return [] }
        return makers.map { Violation(path: $0.path, line: 0, reason: "makes a DurableReceipt, and so do \(makers.count - 1) other files") }
    }

    static func receiptMakers(_ files: [SourceFile]) -> [SourceFile] {
        files.filter {
            !$0.isTest && $0.target != Layers.testKit
                && !($0.lineNumbers(with: "DurableReceipt(") + $0.lineNumbers(with: "DurableReceipt.init(")).isEmpty
        }
    }

    /// A stage has its four files, and so has an engine: knowing one is knowing all. A stage over an engine has no state of its own.
    static func stageShape(_ files: [SourceFile]) -> [Violation] {
        files.filter { !$0.isTest }.flatMap { file -> [Violation] in
            let (kind, parts): (String, [String])
            if file.name.hasSuffix("Engine.swift") {
                (kind, parts) = ("Engine", ["State", "Settings", "Metrics"])
            } else if Layers.isStage(file.target), file.name.hasSuffix("Stage.swift"), !Self.standsOnAnEngine(file) {
                (kind, parts) = ("Stage", ["State", "Configuration", "Metrics"])
            } else {
                return []
            }
            return parts.compactMap { part -> Violation? in
                let name = "\(file.name.dropLast("\(kind).swift".count))\(part).swift"
                guard Excuses.stageShape[name] == nil, !files.contains(where: { $0.target == file.target && $0.name == name }) else {
                    return nil
                }
                return Violation(path: file.path, line: 0, reason: "has no \(name) beside it")
            }
        }
    }

    private static func standsOnAnEngine(_ stage: SourceFile) -> Bool {
        stage.code.contains { $0.contains("import ForebayDelivery") }
    }
}
