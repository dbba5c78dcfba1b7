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
        for target in targets {
            let before = outcome.letters(of: target.name)
            do throws(ForebayError) {
                try await self.run(target, &outcome)
            } catch {
                self.tell(target, outcome, before)
                throw error
            }
            self.tell(target, outcome, before)
        }
    }

    private func run(_ target: LetterTarget, _ outcome: inout LetterOutcome) async throws(ForebayError) {
        let (selection, now) = (self.selection, outcome.asOf)
        var pass = LetterPass { head in
            selection.holds(number: head.sequence, topic: head.topic, code: head.code, id: head.eventID, at: head.at, now: now)
        }
        // What dies of the same events once more, while they are sent, is not meant.
        pass.end = target.letters.end
        (pass.limit, pass.bytes) = (Self.limit, Self.bytes)
        let isReplay = self.action == .replay
        if isReplay, !selection.isDryRun, target.setAside != nil { pass.replayedAt = Timestamp.rfc3339(self.now) }
        while true {
            if !selection.isDryRun, self.isOver() {
                outcome.hasMore = true
                return
            }
            let found = try await target.letters.select(pass)
            if isReplay, target.setAside == nil {
                if !found.heads.isEmpty { outcome.kept[target.name, default: 0] += UInt64(found.heads.count) }
            } else if !found.heads.isEmpty {
                if !selection.isDryRun { try await self.work(found, target) }
                for head in found.heads {
                    outcome.groups[.init(delivery: target.name, topic: head.topic, code: head.code), default: 0] += 1
                }
            }
            guard let next = found.next else { return }
            pass.from = next
        }
    }

    private func work(_ found: SelectedLetters, _ target: LetterTarget) async throws(ForebayError) {
        if self.action == .replay, let setAside = target.setAside {
            let events = zip(found.heads, found.records).map { SetAside.Brought(topic: $0.topic, record: $1) }
            try await setAside.replay(events)
        }
        try await target.letters.remove(found.sequences)
    }

    private func tell(_ target: LetterTarget, _ outcome: LetterOutcome, _ before: UInt64) {
        let count = outcome.letters(of: target.name) - before
        guard count > 0, !outcome.isDryRun else { return }
        Logger(label: "node").info(
            "dead letters \(self.action.done)",
            ["route": target.name.description, "letters": "\(count)", "selection": self.selection.text])
    }
}
