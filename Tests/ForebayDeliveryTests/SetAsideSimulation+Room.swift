import ForebayCore
import ForebayKafka

@testable import ForebayDelivery

extension SetAsideSimulation {
    /// There is no room for what is on its way from the drain, which lets go of it, as its stage does.
    mutating func letGo() throws {
        try self.exchange(.aside)
        let parts = self.parting[.aside]!
        guard !parts.isEmpty else { return }
        self.parting[.aside] = []
        self.letsGo += 1
        let bytes = parts.map { ($0.unit, Int(self.states[.aside]!.window[UInt32(truncatingIfNeeded: $0.flight)].bytes)) }
        let delivered = self.shared.letGo(Dictionary(bytes, uniquingKeysWith: +))
        for part in parts { self.shared.arrived(part.flight, isSettled: false) }
        self.states[.aside]!.withdraw(
            leaving: parts.map(\.flight), delivered: delivered, KafkaFailure(.leaderNotAvailable), now: self.now)
        try self.exchange(.aside)
    }

    /// Dead letters become durable now and then.
    mutating func bury(_ way: DeliveryWay) {
        self.unburied[way]! += self.states[way]!.actions.deaths
        self.states[way]!.actions.deaths = []
        guard self.number(0...5) == 0 else { return }
        for death in self.unburied[way]! {
            self.buried.insert(Self.number(of: self.states[way]!.window.event(of: UInt32(truncatingIfNeeded: death.flight))))
            self.states[way]!.buried(death.flight)
            if way == .aside { self.shared.arrived(death.flight, isSettled: true) }
        }
        self.unburied[way] = []
    }
}
