import Testing

@testable import ForebayIngest

@Suite("Ingest state")
struct IngestStateTests {
    static func open(limit: Int = 100) -> IngestState {
        var state = IngestState(inFlightLimit: limit, refusalPause: 500)
        state.opened()
        return state
    }

    @Test("takes requests only while it is open") func phases() {
        var state = IngestState(inFlightLimit: 100, refusalPause: 500)
        #expect(state.admission(now: 0) == .starting)
        state.opened()
        #expect(state.admission(now: 0) == nil)
        #expect(state.draining() == .same)
        #expect(state.admission(now: 0) == .draining)
        state.opened()
        #expect(state.admission(now: 0) == .draining)
        #expect(state.ended() == .same)
        #expect(state.draining() == .same)
        #expect(state.admission(now: 0) == .unavailable)
    }

    @Test("too much in flight: first nobody is read, then new ones are refused, until enough was answered") func pressure() {
        var state = Self.open()
        #expect(state.took(60) == .same)
        #expect(state.took(40) == .pause)
        #expect(state.took(10) == .same)
        #expect(state.admission(now: 0) == nil, "what was read already is taken")
        #expect(state.patienceEnded() == .resume)
        #expect(state.admission(now: 0) == .overloaded)
        #expect(state.released(10) == .same)
        #expect(state.released(20) == .same)
        #expect(state.admission(now: 0) == .overloaded)
        #expect(state.released(5) == .same)
        #expect(state.admission(now: 0) == nil)
        #expect(state.inFlight == 75)
    }

    @Test("answers in time resume reading, and a late timer changes nothing") func answersInTime() {
        var state = Self.open()
        #expect(state.took(100) == .pause)
        #expect(state.released(20) == .same)
        #expect(state.released(10) == .resume)
        #expect(state.patienceEnded() == .same)
        #expect(state.admission(now: 0) == nil)
    }

    @Test("one request larger than the limit is taken alone") func larger() {
        var state = Self.open()
        #expect(state.took(1000) == .pause)
        #expect(state.released(1000) == .resume)
    }

    @Test("who ends while paused lets the successor read") func endsPaused() {
        var state = Self.open()
        #expect(state.took(100) == .pause)
        #expect(state.ended() == .resume)
        #expect(state.released(100) == .same)
        #expect(state.took(100) == .same)
    }

    @Test("a refusal by the buffer is repeated for a while, and forgotten when something was stored") func refusals() {
        var state = Self.open()
        state.refused(.spoolFull, now: 1000)
        #expect(state.admission(now: 1499) == .spoolFull)
        #expect(state.admission(now: 1500) == nil)
        state.refused(.unavailable, now: 2000)
        state.stored()
        #expect(state.admission(now: 2000) == nil)
    }
}
