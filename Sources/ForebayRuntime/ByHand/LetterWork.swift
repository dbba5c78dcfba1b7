import ForebayAdmin
import ForebayCore
import ForebayDelivery
import ForebaySpool
import ForebayTelemetry

/// One delivery's dead letters, and where they go when they are sent once more.
struct LetterTarget: Sendable {
    let name: DeliveryName
    let letters: DeadLetters
    /// None: the route is not configured any more.
    let setAside: SetAside?
}

/// Replays or removes dead letters, some at a time: each piece is durable elsewhere before it is removed, so a crash in between repeats
/// what it had of that piece, and loses none.
struct LetterWork: Sendable {
    /// Events of one piece.
    private static let limit = 1000, bytes = 1 << 20

    let action: LetterAction
    let selection: LetterSelection
    /// In ms since 1970.
    let now: Int64
    /// No piece is begun once this says so.
    var isOver: @Sendable () -> Bool = { false }

    /// - Parameter outcome: what was done, also when it throws.
    func run(_ targets: [LetterTarget], _ outcome: inout LetterOutcome) async throws(ForebayError) {
        // What dies of the same events once more, while they are sent, is not meant.
        let found = targets.map { target in
            let rest = self.selection.rest.first { $0.delivery == target.name }
            return (target: target, numbers: rest?.numbers ?? 0..<(self.selection.rest.isEmpty ? target.letters.end : 0))
        }
        for (place, (target, numbers)) in found.enumerated() where !numbers.isEmpty {
            let before = outcome.letters(of: target.name)
            do throws(ForebayError) {
                if let next = try await self.run(target, numbers, &outcome) {
                    outcome.rest = [.init(delivery: target.name, numbers: next..<numbers.upperBound)]
                    for (later, numbers) in found[(place + 1)...] where !numbers.isEmpty {
                        outcome.rest.append(.init(delivery: later.name, numbers: numbers))
                    }
                    self.tell(target, outcome, before)
                    return
                }
            } catch {
                self.tell(target, outcome, before)
                throw error
            }
            self.tell(target, outcome, before)
        }
    }

    /// - Returns: where the next request goes on; none: nothing is left.
    private func run(
        _ target: LetterTarget, _ numbers: Range<UInt64>, _ outcome: inout LetterOutcome
    ) async throws(ForebayError) -> UInt64? {
        let (selection, now) = (self.selection, outcome.asOf)
        var pass = LetterPass { head in
            selection.holds(number: head.sequence, topic: head.topic, code: head.code, id: head.eventID, at: head.at, now: now)
        }
        (pass.from, pass.end) = (numbers.lowerBound, numbers.upperBound)
        (pass.limit, pass.bytes) = (Self.limit, Self.bytes)
        let isReplay = self.action == .replay
        if isReplay, !selection.isDryRun, target.setAside != nil { pass.replayedAt = Timestamp.rfc3339(self.now) }
        while true {
            if self.isOver() { return pass.from }
            let found = try await target.letters.select(pass)
            if isReplay, target.setAside == nil {
                if !found.heads.isEmpty { outcome.kept[target.name, default: 0] += UInt64(found.heads.count) }
            } else if !found.heads.isEmpty {
                let failure = selection.isDryRun ? nil : try await self.work(found, target)
                for head in found.heads {
                    outcome.groups[.init(delivery: target.name, topic: head.topic, code: head.code), default: 0] += 1
                }
                if let failure { throw failure }
            }
            guard let next = found.next, next < pass.end else { break }
            pass.from = next
        }
        try await self.removeUnreadable(target, numbers, &outcome)
        return nil
    }

    /// Those that the pass has met, and nobody can read, go with the others: of them nothing is known but their numbers.
    private func removeUnreadable(
        _ target: LetterTarget, _ numbers: Range<UInt64>, _ outcome: inout LetterOutcome
    ) async throws(ForebayError) {
        guard self.action == .remove, let places = self.selection.places else { return }
        let count = try await target.letters.removeUnreadable(
            places.map { $0.clamped(to: 0..<numbers.upperBound) }, isDryRun: self.selection.isDryRun)
        outcome.addUnreadable(count, of: target.name)
    }

    /// - Returns: what went wrong when they had been replayed.
    /// - Throws: nothing is done.
    private func work(_ found: SelectedLetters, _ target: LetterTarget) async throws(ForebayError) -> ForebayError? {
        guard self.action == .replay, let setAside = target.setAside else {
            try await target.letters.remove(found.sequences)
            return nil
        }
        // What can't be removed afterwards would be replayed again by whoever asks once more.
        try await target.letters.checkRemoval(found.sequences)
        try await setAside.replay(zip(found.heads, found.records).map { SetAside.AppendedEvent(topic: $0.topic, record: $1) })
        do throws(ForebayError) {
            try await target.letters.remove(found.sequences, areElsewhere: true)
            return nil
        } catch {
            return error
        }
    }

    private func tell(_ target: LetterTarget, _ outcome: LetterOutcome, _ before: UInt64) {
        let count = outcome.letters(of: target.name) - before
        guard count > 0, !outcome.isDryRun else { return }
        Logger(label: "node").info(
            "dead letters \(self.action.done)",
            ["route": target.name.description, "letters": "\(count)", "selection": self.selection.text])
    }
}
