import ForebayCore
import Foundation
import Glibc
import Testing

@testable import ForebaySpool

/// Who has a log, and what a second one is told of it.
@Suite("Spool: who has it")
struct LockTests {
    private let watched = WatchedDisk()

    private var path: String { self.watched.directory + "/lock" }

    private func lock() throws(ForebayError) -> SpoolLock { try SpoolLock(self.watched.disk, directory: self.watched.directory) }

    @Test(
        "who has locked the file alone, as where folders can't be locked, has the log; of what it wrote there a second one is told the start"
    )
    func fileAlone() throws {
        let other = try SystemDisk().open(self.path, [.write, .create])
        #expect(try other.lock())
        for (text, told) in [("77\n", "77"), ("77\nold", "77"), ("12345678901234567890123", "12345678901234567890")] {
            try other.truncate(to: 0)
            try other.write(Array(text.utf8), at: 0)
            let error = #expect(throws: ForebayError.self) { try self.lock() }
            #expect(error?.code == .spoolLocked && error?.message.contains(" forebay (process \(told));") == true, "\(text)")
        }
    }

    @Test("a number that can't be written is not there, nor is a former one's")
    func notWritten() throws {
        try Data("12345\n".utf8).write(to: URL(filePath: self.path))
        self.watched.fail { $0 == "write lock" ? ENOSPC : nil }
        let lock = try self.lock()
        let error = #expect(throws: ForebayError.self) { try self.lock() }
        #expect(error?.message.contains("in use by another forebay; one") == true && lock.holds)
    }
}
