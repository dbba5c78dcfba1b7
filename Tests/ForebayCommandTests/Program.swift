import Foundation
import Testing

/// The built program, run as a user would.
enum BuiltProgram {
    struct Result {
        let code: Int32
        let out: String
        let error: String
    }

    /// Beside the tests' own executable, which `swift test` builds with it.
    private static let url = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
        .appendingPathComponent("forebay")

    /// - Parameters:
    ///   - input: what stands on stdin; it ends behind it.
    ///   - environment: added to one that is nearly empty.
    static func run(_ arguments: String..., input: String = "", environment: [String: String] = [:]) async throws -> Result {
        try await Self.run(arguments, input: input, environment: environment)
    }

    /// - Parameters:
    ///   - openFiles: that it may have; none: as many as this process.
    ///   - meanwhile: what to do while it runs, with its process id and what it has printed so far.
    static func run(
        _ arguments: [String], input: String = "", environment: [String: String] = [:], openFiles: Int? = nil,
        meanwhile: (@Sendable (_ process: Int32, _ out: Output) -> Void)? = nil
    ) async throws -> Result {
        let process = Process()
        process.executableURL = Self.url
        process.arguments = arguments
        if let openFiles {
            process.executableURL = URL(filePath: "/bin/sh")
            process.arguments = ["-c", "ulimit -n \(openFiles) && exec \"$0\" \"$@\"", Self.url.path] + arguments
        }
        process.environment = ["PATH": "/usr/bin:/bin"].merging(environment) { $1 }
        let (inputPipe, out, error) = (Pipe(), Pipe(), Pipe())
        (process.standardInput, process.standardOutput, process.standardError) = (inputPipe, out, error)
        try process.run()
        let deadline = DispatchWorkItem { process.terminate() }
        DispatchQueue.global().asyncAfter(deadline: .now() + 60, execute: deadline)
        defer { deadline.cancel() }
        async let written: Void = Self.blocking {
            // A program that ends without reading its input closes the pipe; that is its right.
            try? inputPipe.fileHandleForWriting.write(contentsOf: Data(input.utf8))
            try? inputPipe.fileHandleForWriting.close()
        }
        let output = Output()
        async let outData = Self.blocking { output.read(out.fileHandleForReading) }
        async let errorData = Self.blocking { error.fileHandleForReading.readDataToEndOfFile() }
        if let meanwhile {
            let identifier = process.processIdentifier
            await Self.blocking { meanwhile(identifier, output) }
        }
        let (outText, errorText) = await (String(decoding: outData, as: UTF8.self), String(decoding: errorData, as: UTF8.self))
        await written
        await Self.blocking { process.waitUntilExit() }
        return Result(code: process.terminationStatus, out: outText, error: errorText)
    }

    /// What stands on stdout, as it comes.
    final class Output: @unchecked Sendable {  // Safe because: all of it under the condition's lock.
        private let changed = NSCondition()
        private var data = Data()
        private var isAtEnd = false

        func read(_ file: FileHandle) -> Data {
            while true {
                let more = file.availableData
                self.changed.withLock {
                    self.data += more
                    self.isAtEnd = more.isEmpty
                    self.changed.broadcast()
                }
                if more.isEmpty { return self.changed.withLock { self.data } }
            }
        }

        /// Returns when so many lines hold the text, or nothing more will come.
        func waitForLines(with text: String, count: Int) {
            self.changed.withLock {
                while !self.isAtEnd,
                    String(decoding: self.data, as: UTF8.self).split(separator: "\n").count(where: { $0.contains(text) }) < count
                {
                    self.changed.wait()
                }
            }
        }
    }

    private static func blocking<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async -> Value {
        await withCheckedContinuation { continuation in
            Thread.detachNewThread { continuation.resume(returning: body()) }
        }
    }
}

/// A folder that goes with the test.
final class TemporaryFolder {
    let path: String

    init() throws {
        self.path = NSTemporaryDirectory() + "forebay-command-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: self.path, withIntermediateDirectories: true)
    }

    deinit {
        try? FileManager.default.removeItem(atPath: self.path)
    }

    func write(_ name: String, _ text: String) throws -> String {
        let path = self.path + "/" + name
        try text.write(toFile: path, atomically: false, encoding: .utf8)
        return path
    }
}
