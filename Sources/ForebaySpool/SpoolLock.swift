import ForebayCore
import Glibc
import Synchronization

/// One process owns a log. The kernel drops the lock when the process ends, however it ends.
///
/// The file `lock` is locked, and the folder, where the file system can: then whoever finds the file removed has still not the log.
final class SpoolLock: Sendable {
    private struct Owned {
        let file: any DiskFile
        let folder: (any DiskFile)?
    }

    private let owned: Mutex<Owned?>

    init(_ disk: any Disk, directory: String) throws(ForebayError) {
        let path = "\(directory)/lock"
        let folder = try? disk.open(directory, [])  // Where it can't be: the file is enough for all who leave it where it is.
        // Network file systems lock no folder.
        if let folder, (try? folder.lock()) == false {
            throw Self.taken(directory, try? disk.open(path, []))  // For the message only.
        }
        let file = try disk.open(path, [.write, .create])
        guard try file.lock() else { throw Self.taken(directory, file) }
        do throws(ForebayError) {
            try file.truncate(to: 0)
            try file.write(Array("\(getpid())\n".utf8), at: 0)
        } catch {
            // The number is for people only: no room for it, or a sector that takes nothing more, is no reason to stay away.
        }
        self.owned = Mutex(Owned(file: file, folder: folder))
    }

    private static func taken(_ directory: String, _ file: (any DiskFile)?) -> ForebayError {
        // For the message only.
        let owner = (try? file?.bytes(at: 0, count: 20)).map { String(decoding: $0, as: UTF8.self) }
        let process = owner?.split(separator: "\n").first.map { " (process \($0))" } ?? ""
        return ForebayError(
            .spoolLocked, recovery: .stop, "\(directory) is in use by another forebay\(process); one process owns a data folder")
    }

    func release() {
        self.owned.withLock { $0 = nil }
    }

    /// False once its file was removed: an older version could make one of its own, and take the log.
    var holds: Bool { (try? self.owned.withLock { $0 }?.file.hasName()) ?? true }  // A call that fails says nothing of the name.
}
