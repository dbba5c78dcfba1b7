import Testing

@testable import ForebayDelivery

@Suite("What an engine has of the delivery budget")
struct InFlightMemoryTests {
    @Test("what is taken is counted until it is settled; without a part nothing has to wait")
    func counts() {
        let budget = DeliveryBudget(total: 1000)
        var memory = InFlightMemory(budget)
        #expect(memory.take(5000) && !memory.hasShare && budget.used == 0)
        memory.join {}
        #expect(memory.take(900) && budget.used == 900 && memory.bytes == 0, "not in flight yet")
        memory.add(900)
        #expect(!memory.take(200) && memory.bytes == 900)
        memory.give(0)
        memory.give(300)
        #expect(memory.bytes == 600 && budget.used == 600 && memory.take(200))
        memory.leave()
        #expect(budget.used == 0 && !memory.hasShare && memory.bytes == 600, "the run still has it")
        memory.begin()
        #expect(memory.bytes == 0)
    }

    @Test("a part is wanted when there is something to do, and given back when there was nothing for long")
    func steps() {
        let budget = DeliveryBudget(total: 1000)
        var memory = InFlightMemory(budget)
        #expect(memory.step(isNeeded: true, now: 0, patience: 10) == .join && !memory.hasShare)
        memory.join {}
        #expect(memory.step(isNeeded: true, now: 1, patience: 10) == nil && memory.hasShare)
        for now: UInt64 in [5, 6, 14] { #expect(memory.step(isNeeded: false, now: now, patience: 10) == nil && memory.hasShare) }
        #expect(memory.step(isNeeded: true, now: 14, patience: 10) == nil)
        for (now, step) in [(15, nil), (24, nil), (25, .left), (26, .left)] as [(UInt64, InFlightMemory.Step?)] {
            #expect(memory.step(isNeeded: false, now: now, patience: 10) == step && memory.hasShare == (step == nil))
        }
        #expect(memory.step(isNeeded: true, now: 30, patience: 10) == .join)
    }
}
