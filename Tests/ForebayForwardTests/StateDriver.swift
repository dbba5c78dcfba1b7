import ForebayCore
import ForebayKafka
import ForebayTestKit

@testable import ForebayForward

/// A state driven by plain calls: what it sends is recorded, reports are given by hand.
struct Driver {
    var state: ForwardState
    var sent: [(number: UInt64, slot: ProducerSlot, partition: Int32)] = []
    var now: UInt64 = 100
    var admitted: UInt64 = 0
    private static let zeros: StaticString = "0000000000000000"
    private let spool = SpoolID(characters: UnsafeRawBufferPointer(start: UnsafeRawPointer(Self.zeros.utf8Start), count: 16))

    init(_ configure: (inout ForwardConfiguration) -> Void = { _ in }) {
        var configuration = ForwardConfiguration()
        configure(&configuration)
        self.state = ForwardState(configuration: configuration, seed: 1)
        self.state.opened(.main)
    }

    mutating func admit(_ samples: [EventFactory.Sample]) {
        let batch = EventFactory.batch(samples, spool: self.spool, first: self.admitted)
        self.admitted = batch.end
        self.state.admit(batch, now: self.now)
    }

    /// Events of one partition.
    mutating func admit(_ count: Int, topic: String = "t", partition: Int32 = 0, size: Int = 10) {
        let value = String(repeating: "x", count: size)
        self.admit((0..<count).map { _ in EventFactory.Sample(topic, value: value, partition: partition) })
    }

    /// Answers whatever is asked of the cluster.
    mutating func learn(partitions: Int = 2, limit: Int? = nil, error: KafkaErrorCode = .none) {
        for slot in self.state.slotsToOpen(now: self.now) { self.state.opened(slot) }
        for slot in ProducerSlot.allCases where self.state[slot].isOpen {
            for topic in self.state.takeWanted(by: slot) {
                let leaders = error.isError ? [] : [Int32?](repeating: 1, count: partitions)
                let answer = KafkaMetadata.Topic(name: self.state.topics[topic].name, error: error, leaders: leaders)
                self.state.learned(answer, topic, from: slot, now: self.now)
            }
        }
        for topic in self.state.takeLimitsWanted() { self.state.learnedLimit(limit, topic, now: self.now) }
    }

    /// - Returns: the flights sent now.
    @discardableResult
    mutating func pump() -> [UInt64] {
        self.introduce()
        var sent = self.sent
        let before = sent.count
        self.state.pump(now: self.now) { outgoing, _, _ in
            sent.append((outgoing.flight, outgoing.slot, outgoing.partition))
            return .none
        }
        self.sent = sent
        return sent[before...].map(\.number)
    }

    /// All partitions know the producers: ``NewProducerTests`` has those that don't.
    private mutating func introduce() {
        for place in self.state.partitions.indices {
            let slot = self.state.topics[self.state.partitions[place].topic].slot
            self.state.partitions[place].knownProducer = self.state[slot].number
        }
    }

    mutating func report(_ flights: [UInt64], _ code: KafkaErrorCode = .none, from slot: ProducerSlot = .main) {
        for flight in flights {
            _ = self.state.report(
                KafkaReport(token: flight, offset: 0, partition: 0, error: code, mayBeStored: false), from: slot, now: self.now)
        }
        self.state.retire()
        _ = self.state.takeDelivered()
    }

    var cursor: UInt64 { self.state.commits.last?.number ?? 0 }
}
