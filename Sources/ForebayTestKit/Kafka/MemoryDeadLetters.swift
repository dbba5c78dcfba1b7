package import ForebayCore
import Synchronization

/// Dead letters in memory; it can be made to fail.
package final class MemoryDeadLetters: DeadLetterLog {
    private let state = Mutex<(letters: [DeadLetter], failures: Int)>(([], 0))

    package init() {}

    package func append(_ letters: [DeadLetter]) async throws(ForebayError) {
        let fails = self.state.withLock { state in
            if state.failures > 0 {
                state.failures -= 1
                return true
            }
            state.letters += letters
            return false
        }
        if fails { throw ForebayError(.spoolFull, recovery: .retry, "no room for dead letters") }
    }

    package var letters: [DeadLetter] { self.state.withLock { $0.letters } }

    package func failNext(_ count: Int) {
        self.state.withLock { $0.failures = count }
    }
}
