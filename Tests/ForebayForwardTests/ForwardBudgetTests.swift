import ForebayTestKit
import Testing

@testable import ForebayForward

@Suite("Forward budget")
struct ForwardBudgetTests {
    @Test("one route alone gets all but the other's part; the other always gets its part")
    func fair() {
        let budget = ForwardBudget(total: 1000)
        let greedy = budget.join {}, modest = budget.join {}
        #expect(greedy.take(700) && greedy.take(50))
        #expect(!greedy.take(10), "the other's quarter is spoken for")
        #expect(modest.take(250))
        #expect(!modest.take(10))
        #expect(budget.used == 1000)
    }

    @Test("who holds nothing gets anything")
    func oversize() {
        let budget = ForwardBudget(total: 100)
        let share = budget.join {}
        #expect(share.take(5000))
        #expect(!share.take(1))
        share.give(5000)
        #expect(share.take(1))
    }

    @Test("who was refused is told when there is room; who leaves gives everything back")
    func room() {
        let budget = ForwardBudget(total: 100)
        let told = Happenings<Int>()
        let first = budget.join { told.add(1) }
        var second: ForwardBudget.Share? = budget.join {}
        #expect(second?.take(75) == true && first.take(25) && !first.take(1))
        second = nil
        #expect(told.all == [1] && budget.used == 25)
        #expect(first.take(75))
    }
}
