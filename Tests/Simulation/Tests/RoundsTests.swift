import Foundation
import Testing

/// A bounded form of what `dev/simulate` does for hours. In a process of its own: a node that crashes must not end the tests.
@Suite("Simulation: rounds")
struct RoundsTests {
    @Test("rounds of many seeds: nothing acknowledged is lost, nothing is stuck, and a seed gives the same trace in another process")
    func rounds() throws {
        let process = Process()
        let pipe = Pipe()
        process.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
            .appendingPathComponent("forebay-simulate")
        process.arguments = ["--rounds", "300", "--seconds", "15", "--replays", "10", "--any-coverage"]
        process.standardOutput = pipe
        process.standardError = FileHandle.nullDevice
        try process.run()
        let output = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        #expect(process.terminationStatus == 0, "\(output)")
    }
}
