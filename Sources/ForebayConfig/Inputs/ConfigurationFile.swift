import Glibc

/// Reads small files whole: configurations and secrets.
package enum ConfigurationFile {
    package static let limit = 1 << 20

    /// - Parameter path: `-` is stdin.
    package static func read(_ path: String) throws(ConfigurationValueProblem) -> [UInt8] {
        let file = path == "-" ? dup(0) : open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { throw Self.failure(path, errno) }
        defer { close(file) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 64 << 10)
        while bytes.count <= Self.limit {
            let count = Glibc.read(file, &chunk, chunk.count)
            if count == 0 { return bytes }
            if count < 0 {
                if errno == EINTR { continue }
                throw Self.failure(path, errno)
            }
            bytes += chunk[..<count]
        }
        throw ConfigurationValueProblem(message: "cannot read \(path): more than \(Self.limit) bytes")
    }

    private static func failure(_ path: String, _ number: Int32) -> ConfigurationValueProblem {
        ConfigurationValueProblem(message: "cannot read \(path): \(String(cString: strerror(number)))")
    }

    /// A file's text without the line break at its end, which editors and `echo` put there.
    static func text(_ bytes: [UInt8], path: String) throws(ConfigurationValueProblem) -> String {
        guard var text = String(validating: bytes, as: UTF8.self) else {
            throw ConfigurationValueProblem(message: "\(path) is not UTF-8 text")
        }
        if text.hasSuffix("\r\n") || text.hasSuffix("\n") { text.removeLast() }
        return text
    }
}
