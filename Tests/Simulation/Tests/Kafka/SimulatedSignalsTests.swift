import ForebayKafka
import Testing

@testable import ForebayTestKit

@Suite("What a simulated producer has to tell")
struct SimulatedSignalsTests {
    private static func reports(_ count: Int) -> SimulatedSignals.Signal {
        .reports(
            (0..<count).map { KafkaReport(token: UInt64($0), offset: 0, partition: 0, error: .none, mayBeStored: true) })
    }

    @Test("it is told in its order; who listens is woken once for all that comes before")
    func wakes() {
        var signals = SimulatedSignals()
        #expect(!signals.add(Self.reports(0)) && signals.next() == nil, "no reports are nothing to tell")
        #expect(signals.add(.failure(KafkaFailure(.transport))) && !signals.add(Self.reports(2)))
        signals.woken()
        let wakesAgain = signals.add(.fatal(KafkaFailure(.fatal)))
        #expect(wakesAgain, "it came behind that")
        if case .failure(let failure) = signals.next() { #expect(failure.code == .transport) } else { Issue.record("not the first") }
        if case .reports(let reports) = signals.next() { #expect(reports.count == 2) } else { Issue.record("not the second") }
        #expect(signals.next() != nil && signals.next() == nil)
        _ = signals.add(Self.reports(1))
        signals.removeAll()
        #expect(signals.next() == nil)
    }

    @Test("that no broker can be reached is news once, until one can")
    func away() {
        var signals = SimulatedSignals()
        #expect([false, true, true, false, true].map { signals.became(away: $0) } == [false, true, false, false, true])
    }
}
