import Foundation
import Synchronization

/// Runs programs without blocking a thread of the pool.
package enum Command {
    package struct Failure: Error, CustomStringConvertible {
        package let description: String
    }

    /// - Parameters:
    ///   - input: what it reads.
    ///   - limit: it is killed after so many seconds, which is a failure.
    /// - Returns: what it writes to standard output.
    /// - Throws: ``Failure`` with what it wrote to both when it does not exit with 0.
    package static func run(
        _ path: String, _ arguments: [String], input: String = "", environment: [String: String] = [:], limit: Double = 60
    ) async throws -> String {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("forebay-command-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        // A leftover in the temporary folder harms nobody.
        defer { try? FileManager.default.removeItem(at: folder) }
        let files = ["in", "out", "err"].map { folder.appendingPathComponent($0) }
        try input.write(to: files[0], atomically: true, encoding: .utf8)
        for file in files[1...] { try Data().write(to: file) }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: path)
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        process.standardInput = try FileHandle(forReadingFrom: files[0])
        process.standardOutput = try FileHandle(forWritingTo: files[1])
        process.standardError = try FileHandle(forWritingTo: files[2])
        let status = try await self.end(of: process, limit: limit)
        let output = String(decoding: try Data(contentsOf: files[1]), as: UTF8.self)
        guard status == 0 else {
            let errors = String(decoding: try Data(contentsOf: files[2]), as: UTF8.self)
            throw Failure(description: "\(path) \(arguments) ended with \(status): \(errors) \(output.suffix(2000))")
        }
        return output
    }

    private static func end(of process: Process, limit: Double) async throws -> Int32 {
        let (ended, signal) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        process.terminationHandler = { _ in signal.finish() }
        try process.run()
        let pid = process.processIdentifier
        let watchdog = Task {
            try await Task.sleep(for: .seconds(limit))
            kill(pid, SIGKILL)
        }
        for await _ in ended {}
        watchdog.cancel()
        return process.terminationStatus
    }
}
