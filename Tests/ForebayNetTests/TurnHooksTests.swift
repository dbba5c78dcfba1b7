import Testing

@testable import ForebayNet

@Suite("Hooks of a turn")
struct TurnHooksTests {
    @Test("each round has all hooks, in the order in which they were added")
    func order() {
        var hooks = TurnHooks()
        var seen: [Int] = []
        for number in 0..<3 { hooks.add { seen.append(number) } }
        for _ in 0..<2 { for hook in hooks.beginRound() { hook() } }
        #expect(seen == [0, 1, 2, 0, 1, 2])
        hooks.removeAll()
        #expect(hooks.beginRound().isEmpty)
    }

    @Test("another round is wanted once for each time that one was asked for")
    func rounds() {
        var hooks = TurnHooks()
        _ = hooks.beginRound()
        #expect(!hooks.wantsRound)
        hooks.repeatRound()
        hooks.repeatRound()
        #expect(hooks.wantsRound)
        _ = hooks.beginRound()
        #expect(!hooks.wantsRound)
    }

    @Test("a hook that is added by another is in the next round")
    func addedMeanwhile() {
        let hooks = Box(TurnHooks())
        var count = 0
        hooks.value.add { hooks.value.add { count += 1 } }
        for hook in hooks.value.beginRound() { hook() }
        #expect(count == 0)
        for hook in hooks.value.beginRound() { hook() }
        #expect(count == 1)
        hooks.value.removeAll()
    }
}
