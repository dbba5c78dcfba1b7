import Foundation
import Testing

@testable import ForebaySpool

extension KnownLogsTests {
    @Test("a log in the place of one of another kind: a start is refused, and an inspection says so")
    func otherKind() async throws {
        let world = try await Self.filled()
        for (from, to) in [("spool", "setaside/x"), ("deadletters/x", "spool"), ("setaside/x", "deadletters/x")] {
            let copy = DataFolderWorld()
            try FileManager.default.createDirectory(atPath: copy.base, withIntermediateDirectories: true)
            try FileManager.default.copyItem(atPath: world.data, toPath: copy.data)
            try FileManager.default.removeItem(atPath: "\(copy.data)/\(to)")
            try FileManager.default.copyItem(atPath: "\(world.data)/\(from)", toPath: "\(copy.data)/\(to)")
            let problems = try DataFolderInspection(directory: copy.data).verify().problems
            #expect(problems.contains { $0.file.hasSuffix(to) && $0.reason.hasPrefix("a log of ") }, "\(from)")
            #expect { try copy.start() } throws: { "\($0)".contains("\(to) is a log of ") }
        }
    }
}
