import Testing

@testable import ForebayHTTP

@Suite("Lingering close")
struct LingeringCloseTests {
    private var times: HTTPTimes {
        var times = HTTPTimes()
        (times.lingerBytes, times.longLingerBytes) = (100, 300)
        return times
    }

    @Test("what is dropped adds up: so much is allowed, more needs a place, still more is too much")
    func bounds() {
        var lingering = LingeringClose()
        #expect(lingering.drop(60, self.times) == .allowed)
        #expect(lingering.drop(40, self.times) == .allowed)
        #expect(lingering.drop(1, self.times) == .needsPlace)
        lingering.gotPlace()
        #expect(lingering.drop(199, self.times) == .allowed)
        #expect(lingering.drop(1, self.times) == .tooMuch)
    }

    @Test("a place is asked for until there is one")
    func asksAgain() {
        var lingering = LingeringClose()
        #expect(lingering.drop(101, self.times) == .needsPlace)
        #expect(lingering.drop(1, self.times) == .needsPlace)
        #expect(!lingering.hasPlace)
        lingering.gotPlace()
        #expect(lingering.hasPlace && lingering.drop(1, self.times) == .allowed)
    }

    @Test("what comes before all is sent counts too, and is no lingering yet")
    func begins() {
        var lingering = LingeringClose()
        #expect(lingering.drop(100, self.times) == .allowed)
        #expect(!lingering.hasBegun)
        lingering.begin()
        #expect(lingering.hasBegun)
        #expect(lingering.drop(1, self.times) == .needsPlace)
    }

    @Test("where no more is allowed with a place than without, none is asked for")
    func noUse() {
        var (lingering, times) = (LingeringClose(), self.times)
        times.longLingerBytes = 100
        #expect(lingering.drop(101, times) == .tooMuch)
    }
}
