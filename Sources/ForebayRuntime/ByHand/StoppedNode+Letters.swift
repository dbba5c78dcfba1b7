package import ForebayAdmin
import ForebayConfig
package import ForebayCore
import ForebayDelivery
import ForebaySpool
import ForebayTelemetry

extension StoppedNode {
    /// What `POST /admin/v1/deadletters/replay` and `DELETE /admin/v1/deadletters` do, all in one. Takes the lock, unless it only says
    /// what would be done.
    package func work(_ action: LetterAction, _ selection: LetterSelection) async throws(ForebayError) -> LetterAnswer {
        var names = try SideLogFolder.all(.deadLetters, in: self.directory).map { DeliveryName(folder: $0.route) }.sorted()
        if let delivery = selection.delivery {
            guard names.contains(delivery) else { return .unknown(delivery, known: names.map(\.description)) }
            names = [delivery]
            if action == .replay, !self.delivers(delivery) { return .notConfigured(delivery) }
        }
        let now = WallClock.milliseconds
        var outcome = LetterOutcome(action, isDryRun: selection.isDryRun, asOf: now)
        if selection.isDryRun {
            for name in names { try self.look(name, action, selection, &outcome) }
            if action == .replay { self.keep(names, &outcome) }
            return .done(outcome)
        }
        do throws(ForebayError) {
            try await self.work(action, selection, names, &outcome)
            return .done(outcome)
        } catch {
            if error.code == .spoolLocked { throw error }
            return .failed(outcome, code: error.code.description, detail: error.description)
        }
    }

    private func look(
        _ name: DeliveryName, _ action: LetterAction, _ selection: LetterSelection, _ outcome: inout LetterOutcome
    ) throws(ForebayError) {
        let (directory, now) = ("\(self.directory)/\(SideLogFolder.Kind.deadLetters.rawValue)/\(name.folder)", outcome.asOf)
        // Only a removal takes those that nobody can read.
        let places = action == .remove ? selection.places ?? [] : []
        let unreadable = try DeadLetters.select(directory: directory, unreadableIn: places) { head in
            selection.holds(number: head.sequence, topic: head.topic, code: head.code, id: head.eventID, at: head.at, now: now)
        } _: { head in
            outcome.groups[.init(delivery: name, topic: head.topic, code: head.code), default: 0] += 1
        }
        outcome.addUnreadable(unreadable, of: name)
    }

    /// Whether what is set aside of it is delivered once the node runs.
    private func delivers(_ name: DeliveryName) -> Bool {
        guard let configuration = self.configuration else { preconditionFailure("without a configuration nobody knows what is delivered") }
        return configuration.deliveries.contains { $0.name == name }
    }

    /// What nobody would deliver is not replayed.
    private func keep(_ names: [DeliveryName], _ outcome: inout LetterOutcome) {
        for name in names where !self.delivers(name) {
            let count = outcome.letters(of: name)
            guard count > 0 else { continue }
            outcome.kept[name] = count
            outcome.groups = outcome.groups.filter { $0.key.delivery != name }
        }
    }

    private func work(
        _ action: LetterAction, _ selection: LetterSelection, _ names: [DeliveryName], _ outcome: inout LetterOutcome
    ) async throws(ForebayError) {
        let folder = try OwnedDataFolder(self.directory, onDiskFailure: DiskFailure.leave)
        defer { folder.release() }
        for name in names {
            let letters = try folder.deadLetters(name.folder)
            let log = action == .replay && self.delivers(name) ? try folder.setAside(name.folder) : nil
            let setAside = log.map { SetAside.undelivered(name, $0) }
            let work = LetterWork(action: action, selection: selection, now: outcome.asOf)
            let target = LetterTarget(name: name, letters: letters, setAside: setAside)
            let result: Result<Void, ForebayError>
            do throws(ForebayError) {
                try await work.run([target], &outcome)
                result = .success(())
            } catch {
                result = .failure(error)
            }
            await letters.close()
            await log?.close()
            try result.get()
        }
    }
}
