import ForebayCore
import Glibc
import Testing

@testable import ForebaySpool

@Suite("Spool: the mark")
struct SpoolMarkTests {
    @Test("it is written and synced when it says something else than before; what could not be written is not what it says")
    func set() throws {
        let watched = WatchedDisk(), directory = watched.directory, log = spoolID("0123456789ABCDEF")
        let budget = try SpoolBudget(capacity: 1 << 30, directory: directory, disk: watched.disk)
        let value = SpoolMark.Value(durable: 5, released: 2, newest: 1)
        let slots = try SlotFile.make(watched.disk, directory + "/mark", of: directory, as: .mark, log: log, SlotFile.Value(value))
        let mark = SpoolMark(slots: slots, value: value, budget: budget)
        func said() throws -> SpoolMark.Value? {
            try SlotFile.read(SystemDisk(), directory + "/mark", as: .mark, log: log)?.value.map { SpoolMark.Value($0) }
        }
        _ = watched.calls()
        try mark.set { $0.durable = 5 }
        #expect(try watched.calls().isEmpty && said() == value)
        for number in [ENOSPC, EIO] {
            watched.fail { $0 == "write mark" ? number : nil }
            #expect(throws: ForebayError.self) { try mark.set { $0.durable = 7 } }
            #expect(try said()?.durable == 5)
        }
        watched.fail(nil)
        _ = watched.calls()
        try mark.set { $0.durable = 7 }
        #expect(watched.calls() == ["write mark", "sync mark"])
        #expect(try said() == SpoolMark.Value(durable: 7, released: 2, newest: 1))
        try mark.set { $0.durable = 7 }
        #expect(watched.calls().isEmpty)
    }
}
