import Testing

@testable import ForebayHTTP

@Suite("State of a connection")
struct ConnectionStateTests {
    @Test("goes from open over ending and lingering to closed")
    func phases() {
        var state = ConnectionState()
        #expect(state.phase == .open)
        state.answeredLast()
        #expect(state.phase == .ending)
        state.linger()
        #expect(state.phase == .lingering)
        state.close()
        #expect(state.phase == .closed)
    }

    @Test("closes from any phase, more than once", arguments: 0..<3)
    func closes(moves: Int) {
        var state = ConnectionState()
        if moves > 0 { state.answeredLast() }
        if moves > 1 { state.linger() }
        state.close()
        state.close()
        #expect(state.phase == .closed)
    }

    @Test("is silent while it is open and nothing has come")
    func silence() {
        var (state, closed) = (ConnectionState(), ConnectionState())
        #expect(state.isSilent)
        state.bytesCame()
        #expect(!state.isSilent)
        closed.close()
        #expect(!closed.isSilent)
    }

    @Test("a client that has ended its side changes no phase: it may still read")
    func halfClosed() {
        var state = ConnectionState()
        #expect(!state.clientHasEnded)
        state.clientEnded()
        #expect(state.clientHasEnded && state.phase == .open)
        state.answeredLast()
        #expect(state.clientHasEnded && state.phase == .ending)
    }
}
