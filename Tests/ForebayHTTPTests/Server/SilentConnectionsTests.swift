import Testing

@testable import ForebayHTTP

@Suite("Silent connections")
struct SilentConnectionsTests {
    private static func id(_ slot: Int) -> ConnectionID { ConnectionID(slot: UInt32(slot), generation: 7) }

    @Test("the one that was opened first is first; those that are not silent any more are passed over")
    func order() {
        var silent = SilentConnections()
        for slot in 0..<5 { silent.append(Self.id(slot), open: slot, isSilent: { _ in true }) }
        #expect(silent.first { _ in true } == Self.id(0))
        #expect(silent.first { _ in true } == Self.id(0))
        silent.removeFirst()
        #expect(silent.first { $0 != Self.id(1) } == Self.id(2))
        #expect(silent.first { _ in false } == nil)
        // Passed over once is out.
        #expect(silent.first { _ in true } == nil)
    }

    @Test("no more are remembered than twice those that are open, and some; none that is silent is forgotten")
    func bounded() {
        var silent = SilentConnections()
        for slot in 0..<10_000 {
            silent.append(Self.id(slot), open: 10, isSilent: { $0 == Self.id(3) })
            #expect(silent.count <= 85)
        }
        #expect(silent.first { $0 == Self.id(3) } == Self.id(3))
    }
}
