import ForebayCore
import Glibc

/// One process owns a spool. The kernel drops the lock when the process ends, however it ends.
final class SpoolLock: Sendable {
    private let file: File

    init(directory: String) throws(ForebayError) {
        self.file = try File("\(directory)/lock", flags: O_RDWR | O_CREAT)
        guard flock(self.file.descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let owner = (try? self.file.bytes(at: 0, count: 20)).map { String(decoding: $0, as: UTF8.self) }  // For the message only.
            let process = owner?.split(separator: "\n").first.map { " (process \($0))" } ?? ""
            throw ForebayError(
                .spoolLocked, recovery: .stop, "\(directory) is in use by another forebay\(process); one process owns a data folder")
        }
        try self.file.truncate(to: 0)
        try self.file.write(Array("\(getpid())\n".utf8), at: 0)
    }
}
