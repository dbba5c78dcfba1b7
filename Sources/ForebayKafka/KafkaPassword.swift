import ForebayCore
import Glibc
import Synchronization

/// The password that a client logs in with, where it comes from a file: it may be rotated while the node runs.
///
/// Read again when a broker refuses the one in use; librdkafka takes another one for PLAIN and SCRAM without a restart.
final class KafkaPassword: Sendable {
    static let property = "sasl.password"

    let user: String
    let file: String
    private let used: Mutex<String>

    /// None: the password is not from a file, or the mechanism has none.
    init?(_ properties: KafkaProperties) {
        guard let file = properties.secretFiles[Self.property], let user = properties["sasl.username"],
            let used = properties[Self.property],
            let mechanism = (properties["sasl.mechanisms"] ?? properties["sasl.mechanism"])?.uppercased(),
            mechanism == "PLAIN" || mechanism.hasPrefix("SCRAM-")
        else { return nil }
        self.user = user
        self.file = file
        self.used = Mutex(used)
    }

    /// What the file says by now, once, if that is another one. Reads a file: for a thread that may wait.
    func renewed() -> String? {
        guard let found = Self.read(self.file) else { return nil }
        return self.used.withLock { used in
            defer { used = found }
            return found == used ? nil : found
        }
    }

    /// A secret's file, by the configuration's own rule: a line break at its end is none of it.
    ///
    /// - Returns: none if it can't be read, is empty or no text: it may be being replaced.
    static func read(_ path: String) -> String? {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: 64 << 10)
        var count = 0
        while count < bytes.count {
            let more = bytes.withUnsafeMutableBytes { Glibc.read(file, $0.baseAddress! + count, $0.count - count) }
            if more < 0, errno == EINTR { continue }
            guard more >= 0 else { return nil }
            if more == 0 { break }
            count += more
        }
        guard count < bytes.count, var text = String(validating: bytes[..<count], as: UTF8.self) else { return nil }
        if text.hasSuffix("\r\n") || text.hasSuffix("\n") { text.removeLast() }
        return text.isEmpty ? nil : text
    }
}
