import ForebayNet

/// The places for connections that may send much after a refusal, as one address has a quarter of them at most. See
/// ``HTTPCaps/longLingering``.
struct LingerPlaces {
    private let count: Int
    private let share: Int
    private var taken = 0
    /// Only those that have any.
    private var takenByAddress: [PeerAddress: Int] = [:]

    init(_ caps: HTTPCaps) {
        self.count = caps.longLingering
        self.share = caps.connectionsPerAddress == 0 ? caps.longLingering : (caps.longLingering + 3) / 4
    }

    /// False: there is none for this address.
    mutating func take(for address: PeerAddress) -> Bool {
        let own = self.takenByAddress[address] ?? 0
        guard self.taken < self.count, own < self.share else { return false }
        self.taken += 1
        self.takenByAddress[address] = own + 1
        return true
    }

    mutating func giveBack(of address: PeerAddress) {
        guard let own = self.takenByAddress[address] else { preconditionFailure("a place that was not taken") }
        self.taken -= 1
        self.takenByAddress[address] = own == 1 ? nil : own - 1
    }
}
