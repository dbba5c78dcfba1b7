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

    /// A stage has its four files: knowing one is knowing all.
    static func stageShape(_ files: [SourceFile]) -> [Violation] {
        let stages = files.filter { !$0.isTest && Layers.rows[5].contains($0.target) && $0.name.hasSuffix("Stage.swift") }
        return stages.flatMap { stage in
            let noun = stage.name.dropLast("Stage.swift".count)
            return ["State", "Configuration", "Metrics"].compactMap { part -> Violation? in
                let name = "\(noun)\(part).swift"
                guard Excuses.stageShape[name] == nil, !files.contains(where: { $0.target == stage.target && $0.name == name }) else {
                    return nil
                }
                return Violation(path: stage.path, line: 0, reason: "has no \(name) beside it")
            }
        }
    }
}
