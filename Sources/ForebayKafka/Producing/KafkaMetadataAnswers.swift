import Synchronization

/// The answers of a cluster that somebody waits for.
struct KafkaMetadataAnswers {
    private var open: [KafkaMetadataAnswer] = []

    /// One that is to be given.
    mutating func add() -> KafkaMetadataAnswer {
        self.open.removeAll { $0.isGiven }
        let answer = KafkaMetadataAnswer()
        self.open.append(answer)
        return answer
    }

    /// The client is gone: those that are not given say so.
    mutating func endAll() {
        for answer in self.open { answer.give(.failure(KafkaFailure(.destroyed))) }
        self.open = []
    }
}

/// What a metadata request waits for: the cluster's answer, or the end of the client, whichever is first.
final class KafkaMetadataAnswer: Sendable {
    typealias Value = Result<KafkaMetadata, KafkaFailure>

    private enum State {
        case open
        case waited(UnsafeContinuation<Value, Never>)
        case given(Value)
    }

    private let state = Mutex(State.open)

    var isGiven: Bool {
        self.state.withLock { if case .given = $0 { true } else { false } }
    }

    /// The first one counts.
    func give(_ value: Value) {
        let waiting = self.state.withLock { state -> UnsafeContinuation<Value, Never>? in
            switch state {
            case .given: return nil
            case .open:
                state = .given(value)
                return nil
            case .waited(let waiting):
                state = .given(value)
                return waiting
            }
        }
        waiting?.resume(returning: value)
    }

    nonisolated(nonsending) func wait() async -> Value {
        await withUnsafeContinuation { waiting in
            let given = self.state.withLock { state -> Value? in
                if case .given(let value) = state { return value }
                state = .waited(waiting)
                return nil
            }
            if let given { waiting.resume(returning: given) }
        }
    }
}
