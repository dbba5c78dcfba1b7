import ForebayTestKit
import Foundation
import Testing

@testable import ForebayRuntime

/// What is damaged or gone, of removed routes too.
extension RemovedRoutesTests {
    @Test("what is damaged in the spool and in every side log, also a removed route's, is in status with what to do")
    func alarms() async throws {
        defer { self.cleanUp() }
        try await self.run(["a", "b"]) { node in
            try await node.post("a", 2)
            try await node.post("b", 3)
        }
        try await self.leave("a", aside: 2, dead: 1)
        try await self.leave("b", aside: 3, dead: 2)
        func damage(_ path: String, _ body: (inout Data) -> Void) throws {
            let url = URL(filePath: "\(self.folder)/\(path)")
            var bytes = try Data(contentsOf: url)
            body(&bytes)
            try bytes.write(to: url)
        }
        try damage("spool/cursors/forward.a") { $0 = Data("garbage".utf8) }
        try damage("setaside/a/units") { $0.replaceSubrange(0..<$0.count, with: Data(count: $0.count)) }
        let letters = try FileManager.default.contentsOfDirectory(atPath: self.folder + "/deadletters/b/segments").first {
            $0.hasSuffix(".segment")
        }
        try damage("deadletters/b/segments/\(try #require(letters))") { $0[8192 + 100] ^= 1 }
        try await self.run(["a"]) { node in
            // What can't be read is noticed when somebody reads it.
            _ = try await node.text("/admin/v1/deadletters?route=b")
            let alarms = try await node.routes("status", "alarms")
            let spool = try #require(alarms.first { $0["log"] as? String == "spool" })
            #expect((spool["file"] as? String)?.hasSuffix("cursors/forward.a") == true && spool["lost_end"] is NSNull)
            #expect((spool["advice"] as? String)?.contains("nothing is lost") == true && (spool["noticed_at"] as? String ?? "") > "2026")
            let aside = try #require(alarms.first { $0["log"] as? String == "setaside/a" })
            #expect((aside["file"] as? String)?.hasSuffix("setaside/a/units") == true)
            let dead = try #require(alarms.first { $0["log"] as? String == "deadletters/b" })
            #expect(dead["lost_first"] as? Int == 0 && dead["lost_end"] as? Int == 2)
            #expect((dead["advice"] as? String)?.contains("after-damage.md") == true)
            let metrics = try await node.text("/metrics")
            #expect(metrics.contains("forebay_buffer_corruption_total \(alarms.count)"), "\(alarms)")
        }
    }

    @Test("a log that is gone as a whole is in status, of a removed route, too; nobody is told that nothing is lost")
    func logsGone() async throws {
        defer { self.cleanUp() }
        try await self.run(["a", "b"]) { node in try await node.post("a", 2) }
        try await self.leave("a", aside: 2, dead: 1)
        try await self.leave("b", aside: 3, dead: 2)
        for name in ["spool", "setaside/a", "deadletters/b"] { try FileManager.default.removeItem(atPath: "\(self.folder)/\(name)") }
        try await self.run(["a"]) { node in
            let alarms = try await node.routes("status", "alarms")
            let files = alarms.compactMap { ($0["file"] as? String)?.dropFirst(self.folder.count + 1) }.sorted()
            #expect(files == ["deadletters/b", "setaside/a", "spool"])
            for alarm in alarms {
                #expect((alarm["what"] as? String)?.contains("gone") == true)
                #expect((alarm["advice"] as? String)?.hasPrefix("what waited in it is lost, unless it is had back") == true)
            }
            try await node.post("a", 1)
        }
        for count in [3, 0] {
            try await self.run(["a"]) { node in
                let alarms = try await node.routes("status", "alarms")
                #expect(alarms.count == count, "until somebody acknowledges it")
            }
            _ = try StoppedNode(directory: self.folder, configuration: nil).acknowledgeAlarms(log: nil)
        }
    }

    @Test("a spool whose lock was taken away accepts nothing, and says why")
    func lockGone() async throws {
        defer { self.cleanUp() }
        try await self.run(["a"]) { node in
            try await node.post("a", 1)
            try FileManager.default.removeItem(atPath: self.folder + "/spool/lock")
            #expect(await eventually { (try? await node.status(posting: "a")) == 503 })
            #expect(try await node.text("/readyz").contains("was removed"))
        }
    }
}
