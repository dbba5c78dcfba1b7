import ForebayNet
import Testing

@testable import ForebayHTTP

/// A connection that holds what it is told.
final class TestHolder: AccountHolder {
    var turn = BodyTurn.free
    var remainingBody: UInt64?
    private(set) var timesWoken = 0

    init(remainingBody: UInt64? = nil) {
        self.remainingBody = remainingBody
    }

    func mayReadAgain() { self.timesWoken += 1 }
}

@Suite("Account of an address")
struct AddressAccountTests {
    private let account = AddressAccount<TestHolder>(of: .host(1), share: 100)

    @Test("within the share all read; beyond it one leads and the others wait")
    func leads() {
        let holders = (0..<3).map { _ in TestHolder() }
        for holder in holders { #expect(self.account.mayRead(holder)) }
        #expect(holders.map(\.turn) == [.free, .free, .free])
        self.account.add(101)
        #expect(holders.map { self.account.mayRead($0) } == [true, false, false])
        #expect(holders.map(\.turn) == [.leading, .waiting, .waiting])
        #expect(self.account.mayRead(holders[0]))
        #expect(!self.account.mayRead(holders[1]))
    }

    @Test("when the leader's body is over the next one leads, in the order in which they came to wait")
    func nextLeader() {
        let holders = (0..<3).map { _ in TestHolder() }
        self.account.add(200)
        for holder in holders { _ = self.account.mayRead(holder) }
        self.account.ended(holders[0])
        #expect(holders.map(\.turn) == [.free, .leading, .waiting])
        #expect(holders.map(\.timesWoken) == [0, 1, 0])
    }

    @Test("who waits and goes away is not woken")
    func gone() {
        let holders = (0..<3).map { _ in TestHolder() }
        for _ in holders { self.account.opened() }
        self.account.add(200)
        for holder in holders { _ = self.account.mayRead(holder) }
        self.account.closed(holders[1])
        self.account.closed(holders[0])
        #expect(holders.map(\.turn) == [.free, .free, .leading])
        #expect(holders.map(\.timesWoken) == [0, 0, 1])
        #expect(self.account.connections == 1)
    }

    @Test("when there is room again, as many wake as their bodies have room")
    func room() {
        let holders = [TestHolder(), TestHolder(remainingBody: 40), TestHolder(remainingBody: 40), TestHolder(remainingBody: 40)]
        self.account.add(101)
        for holder in holders { _ = self.account.mayRead(holder) }
        self.account.add(-61)
        #expect(holders.map(\.timesWoken) == [0, 1, 1, 0])
        #expect(holders.map(\.turn) == [.leading, .free, .free, .waiting])
        #expect(self.account.held == 40)
    }
}
