import Foundation
import Testing

@testable import ForebayIngest

@Suite("Problem codes")
struct ProblemCodeTests {
    @Test("each stands in the reference, in a row with its status", arguments: ProblemCode.allCases)
    func documented(_ code: ProblemCode) throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let page = try String(contentsOf: root.appendingPathComponent("docs/reference/http-api.md"), encoding: .utf8)
        #expect(page.split(separator: "\n").contains { $0.hasPrefix("| \(code.status) |") && $0.contains("`\(code.rawValue)`") })
    }

    @Test("what may succeed later says when, and only that", arguments: ProblemCode.allCases)
    func retryAfter(_ code: ProblemCode) {
        #expect(code.isRetryable == (code.retryAfter != nil))
    }
}
