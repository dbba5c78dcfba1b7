import ForebayNet

/// The accounts of all addresses that have connections, and what they hold together.
final class AddressAccounts<Holder: AccountHolder> {
    private var accounts: [PeerAddress: AddressAccount<Holder>] = [:]
    private let limits: HTTPLimits
    /// Bytes.
    private(set) var held = 0

    init(_ limits: HTTPLimits) {
        self.limits = limits
    }

    func connections(of address: PeerAddress) -> Int { self.accounts[address]?.connections ?? 0 }

    /// Counts one more connection of that address.
    func open(_ address: PeerAddress) -> AddressAccount<Holder> {
        let account = self.accounts[address] ?? AddressAccount(of: address, share: self.limits.memoryPerAddress)
        self.accounts[address] = account
        account.opened()
        return account
    }

    func closed(_ holder: Holder, of account: AddressAccount<Holder>) {
        account.closed(holder)
        if account.connections == 0 { self.accounts[account.address] = nil }
    }

    /// A connection of that account holds more, or less.
    func add(_ bytes: Int, to account: AddressAccount<Holder>) {
        self.held += bytes
        account.add(bytes)
    }

    /// What all hold beyond what they may; negative: what they still may.
    var excess: Int { self.held - self.limits.memory }

    /// The one that holds most.
    var largest: AddressAccount<Holder>? { self.accounts.values.max { $0.held < $1.held } }
}
