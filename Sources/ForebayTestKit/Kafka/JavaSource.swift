import Foundation

/// Runs a Java program of one file: Java's own Kafka client as an oracle.
package enum JavaSource {
    private static let java = "/usr/bin/java"

    package static var isAvailable: Bool {
        FileManager.default.isExecutableFile(atPath: Self.java) && FileManager.default.isExecutableFile(atPath: "/usr/bin/javac")
    }

    /// - Returns: what it prints.
    package static func run(_ source: String, named name: String, classPath: String, input: String = "", arguments: [String] = [])
        async throws -> String
    {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("forebay-java-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        // A leftover in the temporary folder harms nobody.
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = folder.appendingPathComponent(name + ".java")
        try source.write(to: file, atomically: true, encoding: .utf8)
        return try await Command.run(Self.java, ["-cp", classPath, file.path] + arguments, input: input)
    }
}
