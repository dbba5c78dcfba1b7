import ForebayTestKit
import Testing

@testable import ForebayDelivery

@Suite("Forward budget")
struct DeliveryBudgetTests {
    @Test("one route alone gets all but the other's part; the other always gets its part")
    func fair() {
        let budget = DeliveryBudget(total: 1000)
        let greedy = budget.join {}, modest = budget.join {}
        #expect(greedy.take(700) && greedy.take(50))
        #expect(!greedy.take(10), "the other's quarter is spoken for")
        #expect(modest.take(250))
        #expect(!modest.take(10))
        #expect(budget.used == 1000)
    }

    @Test("who holds nothing gets anything")
    func oversize() {
        let budget = DeliveryBudget(total: 100)
        let share = budget.join {}
        #expect(share.take(5000))
        #expect(!share.take(1))
        share.give(5000)
        #expect(share.take(1))
    }

    @Test("who was refused is told when there is room; who leaves gives everything back")
    func room() {
        let budget = DeliveryBudget(total: 100)
        let told = Happenings<Int>()
        let first = budget.join { told.add(1) }
        var second: DeliveryBudget.Share? = budget.join {}
        #expect(second?.take(75) == true && first.take(25) && !first.take(1))
        second = nil
        #expect(told.all == [1] && budget.used == 25)
        #expect(first.take(75))
    }
}

extension DeliveryBudgetTests {
    @Test("a share may take all but what is spoken for, to the byte; a part is half the budget by the number of shares")
    func bounds() {
        for (members, most) in [(2, 750), (4, 625), (5, 600)] {
            let budget = DeliveryBudget(total: 1000)
            let shares = (0..<members).map { _ in budget.join {} }
            #expect(shares[0].take(1) && !shares[0].take(most) && shares[0].take(most - 1), "\(members)")
            #expect(budget.used == most)
            let part = 500 / members
            #expect(shares[1].take(1) && shares[1].take(part - 1) && !shares[1].take(1), "its part, whatever others hold")
        }
    }

    @Test("what others hold beyond their parts is spoken for, too")
    func others() {
        let budget = DeliveryBudget(total: 1000)
        let first = budget.join {}, second = budget.join {}
        #expect(first.take(600) && second.take(300))
        #expect(!second.take(101) && second.take(100))
        first.give(1)
        #expect(!first.take(2) && first.take(1))
    }

    @Test("places of those who left are used again, at their full worth, and only those who were refused are told, once")
    func leaves() {
        let budget = DeliveryBudget(total: 1000)
        let told = Happenings<String>()
        let first = budget.join { told.add("first") }
        var second: DeliveryBudget.Share? = budget.join { told.add("second") }
        #expect(first.take(700) && second?.take(250) == true && second?.take(51) == false)
        second = nil
        #expect(told.all.isEmpty && budget.used == 700, "it is gone itself")
        let third = budget.join { told.add("third") }
        #expect(third.take(10) && budget.used == 710)
        #expect(!first.take(51) && first.take(50), "two members again")
        #expect(!third.take(241) && third.take(240))
        #expect(!third.take(1) && !first.take(1))
        first.give(10)
        #expect(Set(told.all) == ["first", "third"] && told.count == 2)
        first.give(10)
        #expect(told.count == 2, "told once")
    }

    @Test("who is refused is told in the order of places: a place of one who left is its successor's")
    func order() {
        let budget = DeliveryBudget(total: 1000)
        let told = Happenings<String>()
        var first: DeliveryBudget.Share? = budget.join {}
        let second = budget.join { told.add("second") }
        #expect(first?.take(1) == true)
        first = nil
        let third = budget.join { told.add("third") }
        #expect(second.take(250) && third.take(250) && !second.take(751) && !third.take(751))
        second.give(1)
        #expect(told.all == ["third", "second"])
    }
}
