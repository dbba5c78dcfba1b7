import ForebayCore
import ForebayTestKit
import Glibc
import Testing

@testable import ForebaySpool

/// The spool and its dead letters do what all of their kind do.
@Suite("Contracts of the spool", .timeLimit(.minutes(1)))
struct SpoolContractTests {
    private final class LogWorld: DurableLogWorld {
        private var fixture = SpoolFixture(segmentSize: 64 << 10, capacity: 1 << 20)
        private var spool: Spool

        init() throws { self.spool = try self.fixture.open() }

        var log: any DurableLog { self.spool }
        let tooLarge = 2 << 20

        func contents() throws -> [String] { try self.spool.events().map(\.1) }

        func restart() throws {
            self.fixture = try self.fixture.crashed()
            self.spool = try self.fixture.open()
        }

        func close() async { await self.spool.close() }
    }

    @Test("a spool is a durable log", arguments: DurableLogClaim.allCases)
    func durableLog(_ claim: DurableLogClaim) async throws {
        let world = try LogWorld()
        try await claim.check(world)
        await world.close()
    }

    private final class DeadLettersWorld: DeadLetterLogWorld {
        private let disk = FaultDisk()
        private var letters: LettersWorld
        private var opened: DeadLetters

        init() throws {
            self.letters = try LettersWorld(disk: self.disk)
            self.opened = try self.letters.open()
        }

        var log: any DeadLetterLog { self.opened }

        func contents() async throws -> [(number: UInt64, id: String)] { try await self.opened.all().map { ($0.sequence, $0.eventID) } }

        func restart() throws -> Bool {
            self.letters = try self.letters.crashed()
            self.opened = try self.letters.open()
            return true
        }

        func fail(_ fails: Bool) {
            guard fails else { return self.disk.fail(nil) }
            self.disk.fail { call, _ in call == .write ? ENOSPC : nil }
        }

        func close() async { await self.opened.close() }
    }

    @Test("dead letters are kept as all are", arguments: DeadLetterLogClaim.allCases)
    func deadLetters(_ claim: DeadLetterLogClaim) async throws {
        let world = try DeadLettersWorld()
        try await claim.check(world)
        await world.close()
    }
}
