import ForebayAdmin
package import ForebayConfig
package import ForebayCore
import ForebaySpool
import ForebayTelemetry

/// The data folder of a node that is down: what its deliveries hold there, and giving up what is left of a removed one. Answers as the
/// admin API would.
package struct StoppedNode: Sendable {
    /// What came of giving up.
    package enum Answer: Sendable {
        case document([UInt8])
        case refusal(String)
    }

    let directory: String
    /// None: which routes there are is not known.
    let configuration: ForebayConfiguration?

    /// - Parameter configuration: tells which routes there are; its own data folder does not count.
    package init(directory: String, configuration: ForebayConfiguration?) {
        self.directory = directory
        self.configuration = configuration
    }

    /// The document of `GET /admin/v1/routes`. Takes no lock, changes nothing.
    package func routes() throws(ForebayError) -> [UInt8] { AdminRoutes.document(of: try self.holdings()).bytes }

    private func holdings() throws(ForebayError) -> [RouteHolding] {
        let data = DataFolderLogs(self.configuration?.routes ?? [], directory: self.directory)
        let configured = self.configuration.map { Set($0.deliveries.map(\.name)) }
        let inspection = try SpoolInspection(directory: "\(self.directory)/spool")
        var found: [RouteHolding] = []
        for waiting in try inspection.waiting() {
            var held = RouteHolding(name: waiting.delivery, isConfigured: configured?.contains(waiting.delivery))
            (held.cursor, held.lagEvents, held.spoolBytes) = (waiting.sequence, waiting.events, waiting.held.bytes)
            held.freedBytes = waiting.held.bytesAlone
            found.append(held)
        }
        for folder in try DataFolderLogs(routes: [], directory: self.directory).removedRoutes() {
            let name = DeliveryName(folder: folder)
            var held = RouteHolding(name: name, isConfigured: configured?.contains(name))
            if let place = found.firstIndex(where: { $0.name == name }) { held = found.remove(at: place) }
            let (aside, dead) = (data.folder(.setAside, folder), data.folder(.deadLetters, folder))
            (held.setAsideEvents, held.setAsideBytes) = (try aside.eventCount(), try aside.size())
            (held.deadLetters, held.deadLetterBytes) = (try dead.eventCount(), try dead.size())
            held.freedBytes += held.setAsideBytes + held.deadLetterBytes
            found.append(held)
        }
        for place in found.indices where found[place].isConfigured == true { found[place].freedBytes = 0 }
        if let targets = self.configuration?.deliveries {
            for place in found.indices {
                // What a removed one has is kept.
                found[place].isRequired = targets.first { $0.name == found[place].name }?.isRequired ?? true
            }
        }
        return found.sorted { $0.name < $1.name }
    }

    /// The document of `GET /admin/v1/alarms`. Takes no lock, changes nothing.
    package func alarms(log: String?) throws(ForebayError) -> [UInt8] {
        AdminRoutes.document(of: try self.found(log, isSeen: false), "alarms").bytes
    }

    /// What `DELETE /admin/v1/alarms` does. Takes the lock of each log.
    package func acknowledgeAlarms(log: String?) throws(ForebayError) -> [UInt8] {
        AdminRoutes.document(of: try self.found(log, isSeen: true), "acknowledged").bytes
    }

    private func found(_ log: String?, isSeen: Bool) throws(ForebayError) -> [AlarmStatus] {
        guard let found = try NodeAlarms.of(log, in: self.directory, isSeen: isSeen) else {
            throw ForebayError(.spoolUnreadable, recovery: .stop, "there is no log \(log ?? "") in \(self.directory)")
        }
        return found
    }

    /// What `DELETE /admin/v1/routes/{route}[/{stage}]` does. Takes the lock, unless it only says what would go.
    package func forget(_ route: String, stage: String?, isDryRun: Bool) async throws(ForebayError) -> Answer {
        guard let configuration = self.configuration else { preconditionFailure("without a configuration nobody knows what is removed") }
        let outcome = try await self.forget(route, stage, isDryRun, configuration)
        if case .forgotten(let held) = outcome { return .document(AdminRoutes.document(of: held, forgotten: isDryRun).bytes) }
        return .refusal(outcome.refusal(of: route, stage: stage)?.detail ?? "")
    }

    private func forget(
        _ route: String, _ stage: String?, _ isDryRun: Bool, _ configuration: ForebayConfiguration
    ) async throws(ForebayError) -> ForgetOutcome {
        let all = try self.holdings()
        let deliveries = configuration.deliveries
        let successors = deliveries.flatMap { delivery in delivery.formerly.map { ($0, delivery.name) } }
        let known = ForgottenRoute(
            configured: Set(deliveries.map(\.name)), successors: Dictionary(successors) { first, _ in first },
            removed: all.filter { $0.isConfigured == false }.map(\.name))
        let names: [DeliveryName]
        switch known.find(route, stage) {
        case .success(let found): names = found
        case .failure(let refusal): return refusal.outcome
        }
        let found = all.filter { names.contains($0.name) }
        guard !isDryRun else { return .forgotten(found) }
        let threads = SpoolThreads()
        defer { threads.end() }
        let sizes = configuration.buffer.spool
        let disk = try DataFolderLogs.hold(self.directory, on: SystemDisk())
        let data = DataFolderLogs(routes: [], directory: self.directory, disk: disk, known: try KnownLogs(in: self.directory, disk: disk))
        let budget = try SpoolBudget(capacity: sizes.maxSize, directory: self.directory, disk: disk, ballast: 2 * sizes.segment)
        var settings = ForebaySpool.SpoolConfiguration(
            directory: "\(self.directory)/spool", segmentSize: sizes.segment, onDiskFailure: DiskFailure.leave)
        settings.preparesNext = false
        settings.disk = disk
        let spool = try Spool.open(settings, budget: budget, threads: threads, metrics: SpoolMetrics(MetricsRegistry()))
        do throws(ForebayError) {
            // Every cursor that holds something is there: it stands in the registry.
            await spool.releasePassedSegments()
            for held in found {
                try await data.giveUp(
                    held.name.folder, spool.allCursors.first { $0.delivery == held.name }, of: spool, withSideLogs: true, budget)
            }
        } catch {
            await spool.close()
            throw error
        }
        await spool.close()
        return .forgotten(found)
    }
}
