import ForebayCore
import ForebayKafka
import ForebayTestKit

@testable import ForebayDelivery

/// An operator removes what is set aside, moves it, and brings events once more, while all else goes on.
extension SetAsideSimulation {
    struct Hand {
        enum Action {
            case remove
            case move(to: String, turn: Int)
        }

        /// Whether there is one at all, and whether it begins nothing more.
        var isThere = false
        var isOver = false
        var action: Action?
        var numbers: [UInt64] = []
        /// Of each unit how far it goes; what comes behind it stays.
        var ends: [UInt64: UInt64] = [:]
        /// Brought and not durable yet.
        var brought: [(unit: UInt64, event: Int)] = []
        var waiting: [SetAsideTurn] = []
        var removed: Set<Int> = [], everRemoved: Set<Int> = [], everMoved: Set<Int> = [], movedAgain: Set<Int> = []
        var removals = 0, moves = 0, replays = 0

        var isBusy: Bool { self.action != nil || !self.brought.isEmpty }
    }

    func topic(of event: Int, on lane: Lane) -> String {
        guard case .unit(let number, _) = lane, let unit = self.shared.units[number] else { return self.samples[event].topic }
        return unit.key.topic
    }

    /// As ``DeliveryEngine/letGoOfRecalled()`` does.
    mutating func letGoOfRecalled() {
        for topic in self.shared.recalled {
            self.states[.aside]!.recall(topic)
            let unreported = self.states[.aside]!.actions.unreported.compactMap {
                token, offset -> (token: UInt64, unit: UInt64, position: UInt64)? in
                if case .unit(let unit, _) = offset.lane { (token, unit, offset.number) } else { nil }
            }
            self.states[.aside]!.actions.unreported = []
            for unit in self.states[.aside]!.done(of: SetAsideKey(topic)) { self.shared.handedOver(unit) }
            for token in self.states[.aside]!.actions.releasedLetters { self.shared.arrived(token, isSettled: false) }
            self.states[.aside]!.actions.releasedLetters = []
            self.shared.recalled(topic, unreported: unreported)
        }
        self.shared.recalled = []
    }

    /// As the followers of a turn.
    mutating func beginTurns() {
        for turn in self.shared.actions.turnsOver where self.hand.waiting.contains(turn) {
            self.hand.waiting.removeAll { $0 == turn }
            self.shared.begin(SetAsideTurn(topic: turn.topic, place: turn.place + 1))
        }
        self.shared.actions.turnsOver = []
    }

    mutating func workByHand() {
        guard self.hand.isThere else { return }
        if self.number(0...2) == 0 { self.storeBrought() }
        if let action = self.hand.action { return self.goOn(action) }
        guard !self.hand.isOver else { return }
        switch self.number(0...60) {
        case 0: self.begin(.remove, topic: "topic-\(self.number(0...3))")
        case 1:
            let target = self.number(0...3)
            self.begin(.move(to: "topic-\(target)", turn: 0), topic: "topic-\((target + self.number(1...3)) % 4)")
        case 2: self.bringAgain()
        default: break
        }
    }

    private mutating func begin(_ action: Hand.Action, topic: String) {
        let numbers = self.shared.numbers(SetAsideState.Meant(topic: topic, partition: self.number(0...3) == 0 ? 1 : nil))
        guard !numbers.isEmpty else { return }
        self.shared.take(numbers)
        (self.hand.action, self.hand.numbers) = (action, numbers)
    }

    private mutating func goOn(_ action: Hand.Action) {
        guard self.shared.areTaken(self.hand.numbers) else { return }
        switch action {
        case .remove:
            for number in self.hand.numbers {
                guard let unit = self.shared.units[number], unit.end > unit.settled else { continue }
                let events = self.units[number]!.events[Int(unit.settled)..<Int(unit.end)]
                self.hand.removed.formUnion(events)
                self.hand.everRemoved.formUnion(events)
                self.shared.settleByHand(number, through: unit.end, now: 0)
                self.hand.removals += 1
            }
            self.end(turn: nil)
        case .move(let topic, _) where self.hand.ends.isEmpty:
            self.hand.action = .move(to: topic, turn: self.shared.openTurn(of: topic))
            for number in self.hand.numbers { self.hand.ends[number] = self.shared.units[number]?.end ?? 0 }
        case .move(let topic, let turn):
            guard self.hand.brought.isEmpty else { return }
            for number in self.hand.numbers {
                guard let unit = self.shared.units[number], let end = self.hand.ends[number], unit.settled < end else { continue }
                let place = min(end, unit.settled + UInt64(self.number(1...20)))
                let events = self.units[number]!.events[Int(unit.settled)..<Int(place)]
                self.hand.movedAgain.formUnion(self.hand.everMoved.intersection(events))
                self.hand.everMoved.formUnion(events)
                self.appendByHand(Array(events), to: topic, turn: turn)
                self.storeBrought(all: true)
                self.shared.settleByHand(number, through: place, now: 0)
                self.drainEffects()
                return
            }
            self.hand.moves += 1
            self.end(turn: SetAsideTurn(topic: topic, place: turn))
        }
    }

    private mutating func end(turn: SetAsideTurn?) {
        self.shared.release(self.hand.numbers)
        (self.hand.action, self.hand.numbers, self.hand.ends) = (nil, [], [:])
        self.drainEffects()
        guard let turn else { return }
        if self.shared.units.holds(turn.topic, turn: turn.place) {
            self.hand.waiting.append(turn)
        } else {
            self.shared.begin(SetAsideTurn(topic: turn.topic, place: turn.place + 1))
        }
    }

    /// Events that were delivered before, as dead letters are that were mended.
    private mutating func bringAgain() {
        let delivered = self.cluster.stored.subtracting(self.hand.removed).sorted().suffix(50)
        guard let event = delivered.randomElement(using: &self.cluster.random) else { return }
        self.appendByHand([event], to: self.samples[event].topic, turn: nil)
        self.hand.replays += 1
    }

    private mutating func appendByHand(_ events: [Int], to topic: String, turn: Int?) {
        var request = SetAsideState.AppendRequest(key: SetAsideKey(topic), partitionCount: 0, failure: KafkaFailure(.none), acceptedAt: 0)
        (request.count, request.bytes, request.turn, request.code) = (events.count, events.count * 10, turn, SetAside.replayed)
        let unit = self.shared.beginAppend([request], from: .hand, now: 0)[0]
        self.hand.brought += events.map { (unit, $0) }
    }

    private mutating func storeBrought(all: Bool = false) {
        while let (unit, event) = self.hand.brought.first {
            guard all || self.number(0...3) > 0 else { return }
            self.hand.brought.removeFirst()
            self.units[unit, default: Unit()].events.append(event)
            self.shared.stored(unit, count: 1, from: .hand, now: 0)
            self.drainEffects()
        }
    }
}

extension SetAsideState {
    /// In any turn; or what is newer than moved events waits for these.
    func hasUnit(of key: SetAsideKey) -> Bool {
        self.turns.waits(key.topic) || self.units.units(of: key.topic).contains { $0.key == key }
    }
}
