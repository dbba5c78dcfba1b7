package import ForebayCore
import Synchronization

/// Dead letters in memory; it can be made to fail.
package final class MemoryDeadLetters: DeadLetterLog {
    private let state = Mutex<(letters: [DeadLetter], failures: Int)>(([], 0))

    package init() {}

    package func append(_ letters: [DeadLetter]) async throws(ForebayError) -> [UInt64] {
        let numbers = self.state.withLock { state -> [UInt64]? in
            if state.failures > 0 {
                state.failures -= 1
                return nil
            }
            let first = UInt64(state.letters.count)
            state.letters += letters
            return letters.indices.map { first + UInt64($0) }
        }
        guard let numbers else { throw ForebayError(.spoolFull, recovery: .retry, "no room for dead letters") }
        return numbers
    }

    package var letters: [DeadLetter] { self.state.withLock { $0.letters } }

    package func failNext(_ count: Int) {
        self.state.withLock { $0.failures = count }
    }
}
