import ForebayAdmin
import ForebayCore
import ForebaySpool
import ForebayTelemetry

/// What an operator does with the dead letters of a running node.
final class NodeLetters: Sendable {
    /// How long one request works: whoever wants more asks again.
    private static let patience: UInt64 = 5_000_000_000

    private let storage: NodeStorage
    private let deliveries: [DeliveryName: KafkaDelivery]
    private let replayed: [DeliveryName: Counter]
    private let removed: [DeliveryName: Counter]

    init(_ storage: NodeStorage, _ deliveries: [DeliveryName: KafkaDelivery], _ metrics: MetricsRegistry) {
        self.storage = storage
        self.deliveries = deliveries
        func counters(_ name: String, _ help: String, of names: some Sequence<DeliveryName>) -> [DeliveryName: Counter] {
            Dictionary(uniqueKeysWithValues: names.map { ($0, metrics.counter(name, help: help, labels: $0.labels)) })
        }
        self.replayed = counters(
            "forebay_dead_letters_replayed_total", "Dead letters that an operator had sent once more.", of: deliveries.keys)
        self.removed = counters(
            "forebay_dead_letters_removed_total", "Dead letters that an operator removed.",
            of: storage.allDeadLetters.filter { deliveries[$0.key] != nil || $0.value.count > 0 }.keys)
    }

    /// - Parameter removed: where what is left of routes that are not configured any more is still known.
    func work(_ action: LetterAction, _ selection: LetterSelection, _ removed: RemovedDeliveries) async -> LetterAnswer {
        guard !selection.isDryRun else { return await self.run(action, selection, removed) }
        return await self.storage.mending.perform(busy: .busy, stopping: .stopping) { await self.run(action, selection, removed) }
    }

    private func run(_ action: LetterAction, _ selection: LetterSelection, _ removed: RemovedDeliveries) async -> LetterAnswer {
        var targets = self.targets(removed)
        if let delivery = selection.delivery {
            let known = targets.filter { $0.letters.count > 0 }.map(\.name.description)
            targets = targets.filter { $0.name == delivery }
            guard let target = targets.first else { return .unknown(delivery, known: known) }
            if action == .replay, target.setAside == nil { return .notConfigured(delivery) }
        }
        let (now, begun) = (WallClock.milliseconds, MonotonicClock.nanoseconds)
        let mending = self.storage.mending
        let work = LetterWork(
            action: action, selection: selection, now: now,
            isOver: { MonotonicClock.nanoseconds - begun > Self.patience || mending.isStopping })
        var outcome = LetterOutcome(action, isDryRun: selection.isDryRun, asOf: min(selection.asOf ?? now, now))
        do throws(ForebayError) {
            try await work.run(targets, &outcome)
            self.count(outcome)
            return .done(outcome)
        } catch {
            self.count(outcome)
            return .failed(outcome, code: error.code.description, detail: error.description)
        }
    }

    private func targets(_ removed: RemovedDeliveries) -> [LetterTarget] {
        var targets = self.deliveries.map { name, delivery in
            LetterTarget(name: name, letters: delivery.deadLetters, setAside: delivery.setAside.own.setAside)
        }
        for name in removed.names {
            guard let letters = removed.logs(of: name)?.deadLetters else { continue }
            targets.append(LetterTarget(name: name, letters: letters, setAside: nil))
        }
        return targets.sorted { $0.name < $1.name }
    }

    private func count(_ outcome: LetterOutcome) {
        guard !outcome.isDryRun else { return }
        let counters = outcome.action == .replay ? self.replayed : self.removed
        for (group, count) in outcome.groups { counters[group.delivery]?.increment(by: count) }
    }
}
