import Foundation
import Testing

@Suite("Tidy: the tree keeps the house rules")
struct TidyTests {
    @Test("each file")
    func eachFile() throws {
        let files = try Tree.files(under: "Sources", "Tests")
        #expect(files.count > 50, "the files were not found")
        for violation in files.flatMap({ file in Rules.all.flatMap { $0(file) } }) {
            Issue.record("\(violation)")
        }
    }

    @Test("the package and the files together")
    func together() throws {
        let files = try Tree.files(under: "Sources")
        #expect(WholeTreeRules.receiptMakers(files).map(\.target) == ["ForebaySpool"], "one file syncs, and it alone proves it")
        let package = try Tree.text("Package.swift")
        #expect(PackageText.dependencies(package).count > 20, "Package.swift was not understood")
        for violation in WholeTreeRules.declared(package) + WholeTreeRules.receipts(files) + WholeTreeRules.stageShape(files) {
            Issue.record("\(violation)")
        }
    }

    @Test("docs/reference/metrics.md tells exactly the metrics that are made")
    func metrics() throws {
        let made = MetricNames.made(in: try Tree.files(under: "Sources"))
        #expect(made.count > 40)
        #expect(MetricNames.differences(made: made, told: MetricNames.told(in: try Tree.text("docs/reference/metrics.md"))) == [])
    }

    @Test("every target under Sources has a place in the layers")
    func everyTarget() throws {
        let targets = Set(try Tree.files(under: "Sources").map(\.target)).subtracting([Layers.testKit])
        #expect(targets.filter { Layers.row(of: $0) == nil } == [])
    }

    @Test("the formatter has its configuration")
    func formatter() throws {
        let text = try Tree.text(".swift-format")
        let configuration = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
        #expect(configuration["lineLength"] as? Int == 140)
    }

    @Test("an excuse names something that exists")
    func excuses() throws {
        let files = try Tree.files(under: "Sources", "Tests")
        let paths = Set(files.map(\.path))
        for path in Excuses.sleeping.keys { #expect(paths.contains(path)) }
        for path in Excuses.length.keys { #expect(paths.contains(path)) }
        for target in Excuses.foundation.keys { #expect(files.contains { $0.target == target }) }
    }
}
