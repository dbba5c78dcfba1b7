import Glibc
import Testing

@testable import ForebayNet

@Suite("Loop's wake-up")
struct LoopWakeTests {
    private func isReadable(_ descriptor: CInt) -> Bool {
        var polled = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&polled, 1, 0) == 1
    }

    @Test("a signal stands until it is taken, and several are taken at once")
    func signals() {
        let wake = LoopWake()
        let (isOpen, descriptor) = (wake.isOpen, wake.descriptor)
        #expect(isOpen)
        #expect(!self.isReadable(descriptor))
        wake.signal()
        wake.signal()
        #expect(self.isReadable(descriptor))
        LoopWake.take(from: descriptor)
        #expect(!self.isReadable(descriptor))
        LoopWake.take(from: descriptor)
    }
}
