import ForebayNet
import Testing

@testable import ForebayHTTP

@Suite("Intake of a server")
struct IntakeTests {
    /// Notes what it is told.
    private final class TestListener: PausableListener {
        private(set) var told: [String] = []
        func pause() { self.told.append("pause") }
        func resume() { self.told.append("resume") }
        func close() { self.told.append("close") }
    }

    @Test("all listeners pause while it is full, and are told once")
    func full() {
        var intake = Intake<TestListener>()
        let listeners = [TestListener(), TestListener()]
        for listener in listeners { intake.add(listener) }
        intake.setFull(false)
        #expect(!intake.isFull)
        for isFull in [true, true, false, false, true] {
            intake.setFull(isFull)
            #expect(intake.isFull == isFull)
        }
        for listener in listeners { #expect(listener.told == ["pause", "resume", "pause"]) }
    }

    @Test("what is closed is not told again")
    func closed() {
        var intake = Intake<TestListener>()
        let listener = TestListener()
        intake.add(listener)
        intake.setFull(true)
        intake.close()
        intake.close()
        intake.setFull(false)
        #expect(listener.told == ["pause", "close"])
    }

    @Test("bytes are let in until the gate is shut, whatever is done about connections")
    func gate() {
        var intake = Intake<TestListener>()
        #expect(!intake.gate.isShut)
        intake.gate.shut()
        intake.setFull(true)
        intake.setFull(false)
        #expect(intake.gate.isShut)
        intake.gate.open()
        #expect(!intake.gate.isShut)
    }
}
