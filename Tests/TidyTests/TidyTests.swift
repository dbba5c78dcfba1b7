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

    @Test("every link of a page leads somewhere, to a heading too")
    func links() throws {
        let pages = try Tree.pages()
        #expect(pages.count > 15 && pages.values.contains { $0.contains("](") }, "the pages were not found")
        for violation in Pages.brokenLinks(pages, Tree.entries) { Issue.record("\(violation)") }
    }

    @Test("every path that a page or a script tells is there")
    func paths() throws {
        let scripts = Tree.entries.filter { path in
            ["c", "h", "py"].contains { path.hasSuffix("." + $0) } || ["dev/", ".ci/"].contains { path.hasPrefix($0) }
        }
        #expect(scripts.count > 50, "the scripts were not found")
        let told = try scripts.map { ($0, try Tree.text($0)) } + Tree.pages()
        for violation in told.flatMap({ Pages.missingPaths($0, Pages.told($0, $1), Tree.entries) }) { Issue.record("\(violation)") }
    }

    @Test("the maps for contributors are true: each name stands in the file before it")
    func maps() throws {
        let maps = Maps(try Tree.files(under: "Sources", "Tests", "Benchmarks"), Tree.entries)
        for page in Maps.pages {
            let text = try Tree.text(page)
            #expect(maps.told(text).count { $0.path != nil && !$0.name.isEmpty } > 40, "\(page) was not understood")
            for violation in maps.faults(page, text) { Issue.record("\(violation)") }
        }
    }

    @Test("every ``name`` in a comment is declared")
    func references() throws {
        let files = try Tree.files(under: "Sources", "Tests", "Benchmarks")
        let declarations = Declarations(files)
        for violation in files.flatMap(declarations.dangling) { Issue.record("\(violation)") }
    }

    @Test("every target under Sources has a place in the layers")
    func everyTarget() throws {
        let targets = Set(try Tree.files(under: "Sources").map(\.target)).subtracting([Layers.testKit])
        #expect(targets.filter { Layers.row(of: $0) == nil } == [])
    }

    @Test("Tests/alone names the suites that need to be alone, and no others")
    func alone() throws {
        let files = try Tree.files(under: "Tests")
        #expect(AloneSuites.suites(files).count > 200, "the suites were not found")
        for violation in AloneSuites.violations(try Tree.text("Tests/alone"), files) { Issue.record("\(violation)") }
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
        for target in Excuses.foundation.keys { #expect(files.contains { $0.target == target }) }
    }
}
