import ForebayNet
import Testing

@testable import ForebayHTTP

@Suite("Places for lingering")
struct LingerPlacesTests {
    private static func places(_ count: Int, perAddress: Int = 100) -> LingerPlaces {
        var caps = HTTPCaps()
        (caps.longLingering, caps.connectionsPerAddress) = (count, perAddress)
        return LingerPlaces(caps)
    }

    /// How many of so many tries get a place.
    private static func take(_ tries: Int, for address: PeerAddress, _ places: inout LingerPlaces) -> Int {
        (0..<tries).count { _ in places.take(for: address) }
    }

    @Test(
        "one address has a quarter of the places, rounded up, and gets those again that it gave back", arguments: [(8, 2), (5, 2), (1, 1)])
    func share(count: Int, share: Int) {
        var places = Self.places(count)
        #expect(Self.take(10, for: .host(1), &places) == share)
        places.giveBack(of: .host(1))
        #expect(Self.take(10, for: .host(1), &places) == 1)
    }

    @Test("all addresses together have no more than there are")
    func together() {
        var places = Self.places(5)
        let taken = (1...4).map { Self.take(2, for: .host($0), &places) }
        #expect(taken == [2, 2, 1, 0])
        places.giveBack(of: .host(1))
        #expect(Self.take(2, for: .host(4), &places) == 1)
        #expect(Self.take(2, for: .host(3), &places) == 0)
    }

    @Test("behind a proxy all clients have its address, which has them all")
    func proxy() {
        var places = Self.places(8, perAddress: 0)
        #expect(Self.take(10, for: .host(1), &places) == 8)
    }

    @Test("there may be none")
    func none() {
        var places = Self.places(0)
        #expect(Self.take(1, for: .host(1), &places) == 0)
    }
}
