import ForebayKafka

@testable import ForebayForward

extension SetAsideSimulation {
    /// There is no room for what is on its way from the drain, which lets go of it, as its stage does.
    mutating func letGo() throws {
        try self.exchange(.drain)
        let parts = self.parting[.drain]!
        guard !parts.isEmpty else { return }
        self.parting[.drain] = []
        self.letsGo += 1
        let bytes = parts.map { ($0.unit, Int(self.states[.drain]!.flights[UInt32(truncatingIfNeeded: $0.flight)].bytes)) }
        let delivered = self.shared.letGo(Dictionary(bytes, uniquingKeysWith: +))
        self.states[.drain]!.withdraw(
            leaving: parts.map(\.flight), delivered: delivered, KafkaFailure(.leaderNotAvailable), now: self.now)
        try self.exchange(.drain)
    }
}
