import ForebayNet
import Testing

@testable import ForebayHTTP

@Suite("Accounts of addresses")
struct AddressAccountsTests {
    private let accounts: AddressAccounts<TestHolder> = {
        var limits = HTTPLimits()
        (limits.memory, limits.memoryPerAddress) = (1000, 100)
        return AddressAccounts(limits)
    }()

    @Test("connections of one address have one account, which goes with the last of them")
    func perAddress() {
        let (one, other) = (TestHolder(), TestHolder())
        let account = self.accounts.open(.host(1))
        #expect(self.accounts.open(.host(1)) === account)
        #expect(self.accounts.open(.host(2)) !== account)
        #expect(self.accounts.connections(of: .host(1)) == 2)
        #expect(self.accounts.connections(of: .host(3)) == 0)
        self.accounts.closed(one, of: account)
        #expect(self.accounts.connections(of: .host(1)) == 1)
        self.accounts.closed(other, of: account)
        #expect(self.accounts.connections(of: .host(1)) == 0)
        #expect(self.accounts.open(.host(1)) !== account)
    }

    @Test("what all hold is the sum of what each holds, and is compared with what all may")
    func sum() {
        let (one, other) = (self.accounts.open(.host(1)), self.accounts.open(.host(2)))
        #expect(self.accounts.excess == -1000)
        self.accounts.add(700, to: one)
        self.accounts.add(400, to: other)
        #expect(self.accounts.held == 1100 && one.held == 700 && other.held == 400)
        #expect(self.accounts.excess == 100)
        self.accounts.add(-200, to: one)
        #expect(self.accounts.held == 900 && self.accounts.excess == -100)
    }

    @Test("the largest is the one that holds most now")
    func largest() {
        #expect(self.accounts.largest == nil)
        let (one, other) = (self.accounts.open(.host(1)), self.accounts.open(.host(2)))
        self.accounts.add(2, to: one)
        self.accounts.add(1, to: other)
        #expect(self.accounts.largest === one)
        self.accounts.add(-2, to: one)
        #expect(self.accounts.largest === other)
    }

    @Test("the share of one address is the server's limit for it")
    func share() {
        let account = self.accounts.open(.host(1))
        let (leader, other) = (TestHolder(), TestHolder())
        self.accounts.add(100, to: account)
        #expect(account.mayRead(leader) && leader.turn == .free)
        self.accounts.add(1, to: account)
        #expect(account.mayRead(leader) && leader.turn == .leading)
        #expect(!account.mayRead(other))
    }
}
