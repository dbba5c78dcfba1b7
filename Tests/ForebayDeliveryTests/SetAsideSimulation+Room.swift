import ForebayCore
import ForebayKafka

@testable import ForebayDelivery

extension SetAsideSimulation {
    /// There is no room for what is on its way from the drain, which lets go of it, as its stage does.
    mutating func letGo() throws {
        try self.exchange(.aside)
        let parts = self.appending[.aside]!
        guard !parts.isEmpty else { return }
        self.appending[.aside] = []
        self.letsGo += 1
        let bytes = parts.map { ($0.unit, Int(self.states[.aside]!.window[UInt32(truncatingIfNeeded: $0.flight)].bytes)) }
        let delivered = self.shared.letGo(Dictionary(bytes, uniquingKeysWith: +))
        for part in parts { self.shared.arrived(part.flight, isSettled: false) }
        self.states[.aside]!.withdraw(
            settingAside: parts.map(\.flight), delivered: delivered, KafkaFailure(.leaderNotAvailable), now: self.now)
        try self.exchange(.aside)
    }

    /// Dead letters become durable now and then.
    mutating func writeLetters(_ way: DeliveryWay) {
        self.unwritten[way]! += self.states[way]!.actions.deadLetters
        self.states[way]!.actions.deadLetters = []
        guard self.number(0...5) == 0 else { return }
        for letter in self.unwritten[way]! {
            self.deadLetters.insert(Self.number(of: self.states[way]!.window.event(of: UInt32(truncatingIfNeeded: letter.flight))))
            self.states[way]!.deadLetterWritten(letter.flight)
            if way == .aside { self.shared.arrived(letter.flight, isSettled: true) }
        }
        self.unwritten[way] = []
    }
}
