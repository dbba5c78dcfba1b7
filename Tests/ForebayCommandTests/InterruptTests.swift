import ForebayTestKit
import Foundation
import Testing

/// Signals to commands that block.
@Suite struct InterruptTests {
    @Test(arguments: [SIGINT, SIGTERM])
    func sendSaysWhatWasAccepted(_ signal: Int32) async throws {
        let second = DispatchSemaphore(value: 0)
        // The first batch is accepted; to the second there is never an answer.
        let server = ScriptedServer { _, count in
            if count == 0 { return ScriptedAnswer(status: 202, body: #"{"accepted":1000,"id":"a","last_id":"b"}"#) }
            second.signal()
            return .silence
        }
        defer { server.stop() }
        let lines = String(repeating: "event\n", count: 1500)
        let result = try await BuiltProgram.run(["send", "t", "--url", server.url], input: lines) { process, _ in
            second.wait()
            kill(process, signal)
        }
        #expect(result.code == 1)
        #expect(result.out == "accepted 1,000 events\n")
        #expect(result.error == "forebay: interrupted; 500 events were on their way, and may be stored\n")
    }

    @Test func theDemoEndsWithItsTerminalAndLeavesNothing() async throws {
        let folder = try TemporaryFolder()
        let ports = ["--set", "listeners.ingest.address=127.0.0.1:0", "--set", "listeners.admin.address=127.0.0.1:0"]
        let result = try await BuiltProgram.run(["demo", "--tail"] + ports, environment: ["TMPDIR": folder.path]) { process, out in
            // Two events in its Kafka: it runs.
            out.waitForLines(with: " @", count: 2)
            // What others take for a wish to open their log anew ends nothing.
            for signal in [SIGUSR1, SIGUSR2, SIGALRM] { kill(process, signal) }
            kill(process, SIGHUP)
        }
        #expect(result.code == 0)
        #expect(result.out.contains(/orders\/[0-2] @[0-9]+  o-[0-9]+  \{"order_id":"o-[0-9]+"/))
        #expect(!result.out.contains("--tail"), "nobody is told to do what he has done")
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
    }

    @Test func aDemoThatCannotStartLeavesNothing() async throws {
        let folder = try TemporaryFolder()
        let bad = try await BuiltProgram.run("demo", "--set", "limits.boddy=1", environment: ["TMPDIR": folder.path])
        #expect(bad.code == 78)
        let server = ScriptedServer { _, _ in .none }
        defer { server.stop() }
        let address = server.url.dropFirst("http://".count)
        let taken = try await BuiltProgram.run(
            "demo", "--set", "listeners.ingest.address=\(address)", "--set", "listeners.admin.address=127.0.0.1:0",
            environment: ["TMPDIR": folder.path])
        #expect(taken.code == 1)
        #expect(
            taken.error == """
                forebay: can't listen on \(address) (Address already in use); give the demo other ports: forebay demo \
                --set listeners.ingest.address=127.0.0.1:9080 --set listeners.admin.address=127.0.0.1:9081

                """)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
    }
}
