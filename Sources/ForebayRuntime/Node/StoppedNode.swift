import ForebayAdmin
package import ForebayConfig
package import ForebayCore
import ForebaySpool
import ForebayTelemetry

/// The data folder of a node that is down: what its routes hold there, and giving up what is left of a removed one. Answers as the admin
/// API would.
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
        let configured = self.configuration.map { Set($0.routes.map(\.name)) }
        let inspection = try SpoolInspection(directory: "\(self.directory)/spool")
        var found: [RouteHolding] = []
        for waiting in try inspection.waiting() {
            var held = RouteHolding(
                route: waiting.route, stage: waiting.stage,
                isConfigured: configured.map { $0.contains(waiting.route) && waiting.stage == RemovedRoutes.forward })
            (held.cursor, held.lagEvents, held.spoolBytes) = (waiting.sequence, waiting.events, waiting.held.bytes)
            held.freedBytes = waiting.held.bytesAlone
            found.append(held)
        }
        for route in try DataFolderLogs(routes: [], directory: self.directory).removedRoutes() {
            var held = RouteHolding(route: route, stage: RemovedRoutes.forward, isConfigured: configured?.contains(route))
            if let place = found.firstIndex(where: { $0.route == route && $0.stage == held.stage }) { held = found.remove(at: place) }
            let (aside, dead) = (data.folder(.setAside, route), data.folder(.deadLetters, route))
            (held.setAsideEvents, held.setAsideBytes) = (try aside.eventCount(), try aside.size())
            (held.deadLetters, held.deadLetterBytes) = (try dead.eventCount(), try dead.size())
            held.freedBytes += held.setAsideBytes + held.deadLetterBytes
            found.append(held)
        }
        for place in found.indices where found[place].isConfigured == true { found[place].freedBytes = 0 }
        return found.sorted { ($0.route, $0.stage) < ($1.route, $1.stage) }
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
        return .refusal(outcome.refusal(of: route)?.detail ?? "")
    }

    private func forget(
        _ route: String, _ stage: String?, _ isDryRun: Bool, _ configuration: ForebayConfiguration
    ) async throws(ForebayError) -> ForgetOutcome {
        if configuration.routes.contains(where: { $0.name == route }), stage == nil || stage == RemovedRoutes.forward { return .configured }
        if let other = configuration.routes.first(where: { $0.formerly.contains(route) }) { return .takenOver(by: other.name) }
        let all = try self.holdings()
        let found = all.filter { $0.route == route && (stage == nil || $0.stage == stage) }
        let stages = all.filter { $0.route == route && $0.isConfigured == false }.map(\.stage)
        if let stage, found.isEmpty, !stages.isEmpty { return .unknownStage(stage, known: stages) }
        guard !found.isEmpty else { return .unknown(known: Set(all.filter { $0.isConfigured == false }.map(\.route)).sorted()) }
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
                    route, spool.allCursors.first { $0.route == route && $0.stage == held.stage }, of: spool,
                    withSideLogs: held.stage == RemovedRoutes.forward, budget)
            }
        } catch {
            await spool.close()
            throw error
        }
        await spool.close()
        return .forgotten(found)
    }
}
