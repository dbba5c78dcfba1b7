import Testing

@testable import ForebayTestKit

@Suite("How far a simulated process is")
struct ProcessLifeTests {
    @Test("it ends by what it has done, or is stuck at its bounds")
    func bounds() {
        var life = ProcessLife()
        life.begin(steps: 2, until: 100)
        life.step()
        #expect(life.mayStep && life.due(at: 99) == nil && life.due(at: 100) == .stuck("simulated time is over"))
        life.step()
        #expect(!life.mayStep && life.steps == 2 && life.due(at: 99) == .stuck("more than 2 jobs"))
        life.returned()
        #expect(life.due(at: 100) == .ended && life.ending == nil, "it is not ended by being asked")
    }

    @Test("of its ends the first one counts")
    func ending() {
        var life = ProcessLife()
        life.end(.died("killed"))
        life.end(.ended)
        #expect(life.ending == .died("killed"))
    }
}
