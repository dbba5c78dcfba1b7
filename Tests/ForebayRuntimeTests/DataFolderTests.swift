import ConfigurationWorld
import ForebayConfig
import ForebayCore
import Foundation
import Testing

@testable import ForebayRuntime

@Suite struct DataFolderTests {
    /// A folder that goes with the test.
    private final class Place {
        let path = NSTemporaryDirectory() + "forebay-folder-" + UUID().uuidString

        init(mode: Int = 0o750) throws {
            try FileManager.default.createDirectory(atPath: self.path, withIntermediateDirectories: true)
            try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: self.path)
        }

        deinit {
            try? FileManager.default.removeItem(atPath: self.path)
        }
    }

    @Test func whatIsNotThereIsLookedAtWhereItWouldBeMade() throws {
        let place = try Place()
        let folder = try DataFolder(place.path + "/a/b/")
        #expect(!folder.exists && folder.place == place.path && folder.room > 0 && folder.refusal == nil && folder.obstacle == nil)
        #expect(try FileManager.default.contentsOfDirectory(atPath: place.path).isEmpty)
        #expect(try DataFolder("not-there-at-all").place == ".")
        #expect(try DataFolder(place.path).exists)
    }

    @Test func aFileIsNoFolder() throws {
        let place = try Place()
        try "x".write(toFile: place.path + "/f", atomically: false, encoding: .utf8)
        #expect { try DataFolder(place.path + "/f") } throws: { "\($0)" == "\(place.path)/f is not a folder" }
        #expect(throws: ForebayError.self) { try DataFolder(place.path + "/f/data") }
    }

    @Test(arguments: [(0o777, true), (0o1777, true), (0o702, true), (0o770, false), (0o755, false), (0o700, false)])
    func othersMayNotWrite(_ mode: Int, _ isRefused: Bool) throws {
        let place = try Place(mode: mode)
        let refusal = try DataFolder(place.path).refusal
        #expect((refusal != nil) == isRefused)
        if let refusal { #expect(refusal.contains("(mode \(String(mode, radix: 8)))") && refusal.hasSuffix("chmod o-w \(place.path)")) }
        // Of a folder that is not there yet nothing is known: it will be made for this user alone.
        #expect(try DataFolder(place.path + "/data").refusal == nil)
    }

    @Test(arguments: ["spool", "spool/segments", "setaside/r", "setaside/r/segments", "deadletters/r/ahead"])
    func othersMayNotWriteInIt(_ name: String) throws {
        let place = try Place()
        try FileManager.default.createDirectory(atPath: "\(place.path)/\(name)", withIntermediateDirectories: true)
        try "x".write(toFile: "\(place.path)/\(name)/f", atomically: false, encoding: .utf8)
        #expect(try DataFolder(place.path).refusal == nil)
        try FileManager.default.setAttributes([.posixPermissions: 0o757], ofItemAtPath: "\(place.path)/\(name)")
        #expect(
            try DataFolder(place.path).refusal?.hasSuffix("(mode 757), and so change what was accepted; chmod o-w \(place.path)/\(name)")
                == true)
    }

    /// Of a node with its data there.
    private static func configuration(_ place: Place, _ more: String = "") throws -> ForebayConfiguration {
        let text = """
            version: 1
            node: { data_dir: "\(place.path)" }
            listeners: { ingest: { address: "127.0.0.1:0" }, admin: { address: "127.0.0.1:0" } }
            clusters: { main: { properties: { bootstrap.servers: "127.0.0.1:1" } } }
            routes: { default: { topics: ["*"], forward: { to: main } } }
            \(more)
            """
        return try ConfigurationWorld(files: ["f": text]).load(["f"]).configuration
    }

    @Test func aNodeDoesNotStartWhereOthersWrite() async throws {
        let place = try Place(mode: 0o777)
        let configuration = try Self.configuration(place)
        await #expect {
            try await NodeProcess.run(configuration)
        } throws: {
            ($0 as? ForebayError)?.code == .dataFolderUnsafe
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: place.path).isEmpty)
    }

    @Test func aStopEndsInTimeThoughSwiftsThreadsHang() async {
        // Clean it would be 0: the threads hang for longer than a stop may take.
        await #expect(processExitsWith: .exitCode(70)) {
            let place = try Place(mode: 0o700)
            let configuration = try DataFolderTests.configuration(
                place, "buffer: { spool: { max_size: 256MiB } }\nshutdown: { timeout: 1s }")
            try await NodeProcess.run(configuration) { _ in
                for _ in 0..<ProcessInfo.processInfo.activeProcessorCount {
                    Task.detached { Self.hang(seconds: 25) }
                }
                Thread.detachNewThread { kill(getpid(), SIGTERM) }
            }
        }
    }

    /// As a disk that does not answer would keep it.
    private static func hang(seconds: Int) { _ = DispatchSemaphore(value: 0).wait(timeout: .now() + .seconds(seconds)) }

    @Test func whatTheNodeHasCountsAsRoom() throws {
        let place = try Place()
        try FileManager.default.createDirectory(atPath: place.path + "/spool", withIntermediateDirectories: true)
        let before = try DataFolder(place.path)
        #expect(before.shortage(ofMaxSize: before.room / 2) == nil)
        let shortage = try #require(before.shortage(ofMaxSize: 1 << 60))
        #expect(shortage.hasPrefix("buffer.spool.max_size is 1048576TiB, and the disk of \(place.path) has room for "))
        try Data(repeating: 1, count: 64 << 20).write(to: URL(fileURLWithPath: place.path + "/spool/x"))
        // What is free is less by these 64 MiB, and the room is the same; others write on this disk too.
        let after = try DataFolder(place.path)
        #expect(abs(after.room - before.room) < 1 << 30)
    }

    @Test func topicsByCluster() throws {
        let text = """
            version: 1
            clusters:
              one: { properties: { bootstrap.servers: k } }
              two: { properties: { bootstrap.servers: k } }
            routes:
              exact: { topics: [orders, payments.eu], forward: { to: one } }
              prefix: { topics: ["payments.*"], forward: { to: two } }
              rest: { topics: ["*"], forward: { to: one } }
              copied: { topics: [copied], forward: { to: one }, mirror: { to: two } }
            topics:
              orders: { rename: orders.v2 }
              payments.us: { key: $.id }
              other: { key: $.id }
            """
        let configuration = try ConfigurationWorld(files: ["f": text]).load(["f"]).configuration
        #expect(configuration.topics(in: "one") == ["copied", "orders.v2", "other", "payments.eu"])
        #expect(configuration.topics(in: "two") == ["copied", "payments.us"], "a mirror's, too")
        #expect(configuration.topics(in: "none").isEmpty)
    }
}
