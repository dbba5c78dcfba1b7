import ForebayConfig
import ForebayCore
import ForebayTelemetry
import ForebayTestKit
import Foundation
import Testing

@testable import ForebayRuntime
@testable import ForebaySpool

/// Links that somebody put in a data folder where a node writes.
@Suite("Node: links in the data folder", .timeLimit(.minutes(1)))
struct LinksInDataFolderTests {
    private func use(_ configuration: ForebayConfiguration) async throws {
        let storage = try NodeStorage.open(configuration, metrics: MetricsRegistry())
        await storage.spool.releasePassedSegments()
        for _ in 0..<3 {
            let submission = Submission(batches: [NodeFixture.batch("events", ["value"])], ack: AckToken { _ in })
            _ = try await storage.spool.commit([submission])
        }
        let cursor = try await storage.spool.cursor("forward/default", route: RouteID(name: "default"))
        cursor.move(to: storage.spool.durableEnd, settled: 0)
        // Made in the background; where a link stands in its place it never is.
        let (ballast, size) = (configuration.node.dataDirectory + "/ballast", 2 * configuration.buffer.spool.segment)
        _ = await eventually(within: .milliseconds(500)) {
            (try? FileManager.default.attributesOfItem(atPath: ballast))?[.size] as? Int == size
        }
        await storage.close()
    }

    @Test(
        "whichever file of the folder is one: what it leads to stays as it was, to the byte, and nothing is made where it leads to nothing")
    func files() async throws {
        let folder = NodeFixture.folder(), outside = NodeFixture.folder()
        defer { for one in [folder, outside] { try? FileManager.default.removeItem(at: one) } }  // Cleaning up is a courtesy.
        try FileManager.default.createDirectory(at: outside, withIntermediateDirectories: true)
        let configuration = try NodeFixture.configuration(in: folder, spool: "max_size: 64MiB, segment: 64KiB")
        try await NodeFixture.leave("default", in: configuration, aside: 3, dead: 2)
        try await self.use(configuration)
        let files = FileManager.default
        func names() throws -> [String] {
            try files.subpathsOfDirectory(atPath: folder.path).filter { name in
                var isFolder: ObjCBool = false
                return files.fileExists(atPath: "\(folder.path)/\(name)", isDirectory: &isFolder) && !isFolder.boolValue
                    && !name.contains("quarantine")
            }
        }
        // What is there, and what is made beside it for a moment, or when it is needed.
        let made =
            ["segments/new-9", "segments/prepared-1", "registry.new", "alarms", "alarms.new"].map { "spool/" + $0 } + [
                "logs.new", "ballast",
            ]
        let all = Set(try names() + made).sorted()
        #expect(all.count > 15 && all.contains("spool/lock") && all.contains("setaside/default/units"), "\(all)")
        for (number, name) in all.enumerated() {
            let (path, target) = ("\(folder.path)/\(name)", "\(outside.path)/\(number)")
            try? files.removeItem(atPath: path)  // It may not be there.
            // As large as what stood there, of an owner who wants it kept; every third leads to nothing.
            let kept = number % 3 == 2 ? nil : Data(repeating: UInt8(number), count: 10_000)
            if let kept { try kept.write(to: URL(fileURLWithPath: target)) }
            try files.createSymbolicLink(atPath: path, withDestinationPath: target)
            do { try await self.use(configuration) } catch {
                // It may refuse to start, by name; never write.
                #expect("\(error)".contains(name.split(separator: "/").last!), "\(name): \(error)")
            }
            #expect(files.contents(atPath: target) == kept, "\(name)")
            #expect(
                (try? files.attributesOfItem(atPath: target))?[.type] as? FileAttributeType == (kept == nil ? nil : .typeRegular), "\(name)"
            )
            try? files.removeItem(atPath: path)
        }
        #expect(try files.contentsOfDirectory(atPath: outside.path).count == all.indices.count { $0 % 3 != 2 })
    }

    @Test("one that is put where a node that runs makes a file the next moment is not followed either")
    func whileItRuns() async throws {
        let folder = NodeFixture.folder(), outside = NodeFixture.folder()
        defer { for one in [folder, outside] { try? FileManager.default.removeItem(at: one) } }  // Cleaning up is a courtesy.
        try FileManager.default.createDirectory(at: outside, withIntermediateDirectories: true)
        let configuration = try NodeFixture.configuration(in: folder, spool: "max_size: 64MiB, segment: 64KiB")
        try await NodeFixture.leave("default", in: configuration, aside: 0, dead: 1)
        let storage = try NodeStorage.open(configuration, metrics: MetricsRegistry())
        let (files, kept) = (FileManager.default, Data("kept".utf8))
        let names =
            [
                "segments/new-1", "segments/new-2", "segments/prepared-1", "registry.new", "cursors/forward.late",
                "cursors/forward.late.new", "alarms.new",
            ]
            .map { "spool/" + $0 } + ["ballast", "deadletters/default/segments/new-2"]
        for (number, name) in names.enumerated() {
            let path = "\(folder.path)/\(name)"
            try? files.removeItem(atPath: path)  // It may not be there.
            if number % 2 == 0 { try kept.write(to: outside.appendingPathComponent("\(number)")) }
            try files.createSymbolicLink(atPath: path, withDestinationPath: "\(outside.path)/\(number)")
        }
        // Some of it may be refused; none of it may go where the links lead.
        await storage.spool.releasePassedSegments()
        for _ in 0..<4 {
            let submission = Submission(
                batches: [NodeFixture.batch("events", [String(repeating: "v", count: 40_000)])], ack: AckToken { _ in })
            _ = try? await storage.spool.commit([submission])
        }
        _ = try? await storage.spool.cursor("forward/late", route: RouteID(name: "late"))
        storage.spool.report(MissingRange(sequences: 0..<1, segment: 1, position: 0, reason: "planted", events: 1))
        _ = try? await storage.deadLetters[DeliveryName(.forward, of: "default")]?.append([
            DeadLetter(
                topic: "t", code: "C", reason: "r", eventID: "i", offset: Offset(lane: .spool(storage.spool.id), number: 0),
                record: NodeFixture.batch("t", ["v"]).withUnsafeBytes { Array($0) })
        ])
        await storage.close()
        for number in names.indices {
            #expect(files.contents(atPath: "\(outside.path)/\(number)") == (number % 2 == 0 ? kept : nil), "\(names[number])")
        }
    }
}
