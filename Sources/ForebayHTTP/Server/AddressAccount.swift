import ForebayNet

/// What the connections of one address hold, and which of them wait for the others.
///
///     reading --the address holds more than its share--> waiting --its turn--> leading --its body is whole, or it is gone--> reading
///        ^                                                  `---- the others hold less than the share again ----------------------^
///
/// One of them always leads: it reads its body to the end, however much the others hold, or bodies that are all half there would wait for
/// each other for ever. So an address holds at most its share and one body, and a read of each connection that came to wait.
final class AddressAccount<Holder: AccountHolder> {
    let address: PeerAddress
    private let share: Int
    private(set) var connections = 0
    private(set) var held = 0
    private var leader: Holder?
    /// In the order in which they came to wait.
    private var waiting: [Holder] = []

    /// - Parameter share: bytes.
    init(of address: PeerAddress, share: Int) {
        self.address = address
        self.share = share
    }

    func opened() { self.connections += 1 }

    func closed(_ connection: Holder) {
        self.connections -= 1
        self.ended(connection)
    }

    /// A connection holds more, or less.
    func add(_ bytes: Int) {
        self.held += bytes
        if bytes < 0 { self.wakeWaiting() }
    }

    /// Whether a connection that has a body coming may read on. If not, ``AccountHolder/mayReadAgain()`` tells it when.
    func mayRead(_ connection: Holder) -> Bool {
        if connection.turn == .leading { return true }
        if self.held > self.share, self.leader != nil {
            if connection.turn != .waiting { self.waiting.append(connection) }
            connection.turn = .waiting
            return false
        }
        if connection.turn == .waiting { self.waiting.removeAll { $0 === connection } }
        if self.held > self.share { self.lead(connection) } else { connection.turn = .free }
        return true
    }

    /// Its body is whole, or will never be.
    func ended(_ connection: Holder) {
        defer { connection.turn = .free }
        switch connection.turn {
        case .free: break
        case .waiting: self.waiting.removeAll { $0 === connection }
        case .leading:
            self.leader = nil
            self.wakeWaiting()
        }
    }

    private func lead(_ connection: Holder) {
        self.leader = connection
        connection.turn = .leading
    }

    private func wakeWaiting() {
        if self.leader == nil, !self.waiting.isEmpty {
            let connection = self.waiting.removeFirst()
            self.lead(connection)
            connection.mayReadAgain()
        }
        var room = self.share - self.held
        while room > 0, !self.waiting.isEmpty {
            let connection = self.waiting.removeFirst()
            connection.turn = .free
            room -= Int(clamping: connection.remainingBody ?? UInt64(self.share))
            connection.mayReadAgain()
        }
    }
}

/// A connection, as its address's account knows it.
protocol AccountHolder: AnyObject {
    /// The account's to set; ``BodyTurn/free`` at first.
    var turn: BodyTurn { get set }
    /// What its body will still take, at most, in bytes; of a chunked one nobody knows.
    var remainingBody: UInt64? { get }
    /// It waited for others of its address, and its turn has come.
    func mayReadAgain()
}

/// What a connection may do about its body.
enum BodyTurn { case free, waiting, leading }
