import ForebayCore
import Glibc
import Synchronization

/// One process owns a log. The kernel drops the lock when the process ends, however it ends.
final class SpoolLock: Sendable {
    private let owned: Mutex<(any DiskFile)?>

    init(_ disk: any Disk, directory: String) throws(ForebayError) {
        let file = try disk.open("\(directory)/lock", [.write, .create])
        guard try file.lock() else {
            let owner = (try? file.bytes(at: 0, count: 20)).map { String(decoding: $0, as: UTF8.self) }  // For the message only.
            let process = owner?.split(separator: "\n").first.map { " (process \($0))" } ?? ""
            throw ForebayError(
                .spoolLocked, recovery: .stop, "\(directory) is in use by another forebay\(process); one process owns a data folder")
        }
        do throws(ForebayError) {
            try file.truncate(to: 0)
            try file.write(Array("\(getpid())\n".utf8), at: 0)
        } catch {
            guard error.code == .spoolFull else { throw error }  // The number is for people only.
        }
        self.owned = Mutex(file)
    }

    func release() {
        self.owned.withLock { $0 = nil }
    }

    /// False once its file was removed: another process could make one of its own, and take the log.
    var holds: Bool { (try? self.owned.withLock { $0 }?.hasName()) ?? true }  // A call that fails says nothing of the name.
}
