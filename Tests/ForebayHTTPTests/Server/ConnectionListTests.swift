import Testing

@testable import ForebayHTTP

@Suite("List of connections")
struct ConnectionListTests {
    private final class Connection {
        let number: Int
        init(_ number: Int) { self.number = number }
    }

    @Test("gives back all, in order, however many they are")
    func order() {
        let list = ConnectionList<Connection>()
        for number in 0..<1000 { list.append(Connection(number)) }
        #expect(list.count == 1000)
        var seen: [Int] = []
        list.takeAll { seen.append($0.number) }
        #expect(seen == Array(0..<1000))
        #expect(list.count == 0)
    }

    @Test("what is appended while others are taken waits for the next call")
    func appendedMeanwhile() {
        let list = ConnectionList<Connection>()
        list.append(Connection(1))
        var seen: [Int] = []
        #expect(!list.isTaking)
        list.takeAll {
            seen.append($0.number)
            #expect(list.isTaking)
            list.append(Connection(2))
        }
        #expect(!list.isTaking)
        #expect(seen == [1] && list.count == 1)
        list.takeAll { seen.append($0.number) }
        #expect(seen == [1, 2])
    }

    @Test("keeps alive what waits, and nothing longer")
    func lifetimes() {
        weak var taken: Connection?
        weak var left: Connection?
        do {
            let list = ConnectionList<Connection>()
            (taken, left) = Self.append(to: list)
            #expect(taken != nil)
            list.takeAll { _ in }
            #expect(taken == nil)
            left = Self.append(to: list).1
            #expect(left != nil)
        }
        #expect(left == nil)
    }

    private static func append(to list: ConnectionList<Connection>) -> (Connection, Connection) {
        let pair = (Connection(1), Connection(2))
        list.append(pair.0)
        list.append(pair.1)
        return pair
    }
}
