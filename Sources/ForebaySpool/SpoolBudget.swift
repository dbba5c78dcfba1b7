package import ForebayCore
import Synchronization

/// How much all logs of a node may take together, and what is left: the spool and its side logs count in one `max_size`.
///
///     |------------ spool ------------|--- reserve ---|   max_size
///
/// The reserve (5 % of the smaller of `max_size` and the disk) belongs to cursors, dead letters and set-aside events.
package final class SpoolBudget: Sendable {
    package let capacity: Int
    package let reserve: Int
    private let directory: String
    private let used = Atomic<Int>(0)
    private let diskFree: Atomic<Int>

    /// - Parameter directory: on the disk whose free room counts; it must be there.
    package init(capacity: Int, directory: String) throws(ForebayError) {
        try Folder.make(directory)
        let space = try Folder.space(directory)
        self.capacity = capacity
        self.directory = directory
        self.reserve = min(capacity, space.total) / 20
        self.diskFree = Atomic(space.free)
    }

    /// Bytes of all files of all logs.
    package var usedBytes: Int { self.used.load(ordering: .relaxed) }

    /// Bytes of new files that a log may still make.
    package func room(forSideLog isSideLog: Bool) -> Int {
        let kept = isSideLog ? 0 : self.reserve
        return min(self.capacity - self.usedBytes, self.diskFree.load(ordering: .relaxed)) - kept
    }

    func add(_ bytes: Int) {
        self.used.wrappingAdd(bytes, ordering: .relaxed)
        self.diskFree.wrappingSubtract(bytes, ordering: .relaxed)
    }

    /// Asks the file system again; others write on the disk too.
    func refresh() {
        // A disk that can't tell its room is no reason to stop; writing will tell.
        guard let space = try? Folder.space(self.directory) else { return }
        self.diskFree.store(space.free, ordering: .relaxed)
    }
}
