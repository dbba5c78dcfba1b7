import ForebayCore
import ForebaySpool
import ForebayTelemetry
import ForebayTestKit

/// What operators do beside a node that runs, and to the folder of one that is down: give up removed routes, look.
extension SimulatedNode {
    /// What a delivery that is not configured left. A round's names are never two routes'.
    struct Removed: Sendable {
        let name: DeliveryName
        let cursor: SpoolCursor?
        let logs: SideLogs?
    }

    /// As the Runtime finds them, after all deliveries have their cursors.
    func removed(_ storage: Storage) async throws -> [Removed] {
        let configured = Set(self.life.deliveries.map { self.life.lines[$0.line].name($0.stage) })
        var logs = storage.removed
        var found: [Removed] = []
        // As the node has it: of a route that goes on events are accepted all the same.
        let goesOn = { @Sendable (cursor: SpoolCursor) in configured.contains(DeliveryName(.forward, of: cursor.delivery.route)) }
        for cursor in try await storage.spool.removedCursors({ configured.contains($0.delivery) }, goesOn: goesOn) {
            let held = storage.spool.held(by: cursor)
            let oldest = try storage.spool.oldestAcceptedAt(of: cursor)
            if held.bytes == 0 && oldest != nil, !self.model.isDamaged {
                self.model.violate("\(cursor.name) is not configured, waits for events and holds no segment")
            }
            if oldest == nil, !goesOn(cursor), !self.model.isDamaged {
                self.model.violate("\(cursor.name) is not configured, and stays with nothing to wait for")
            }
            self.model.coverage.hit("removed \(self.what(cursor.delivery)) \(oldest == nil ? "that keeps its place" : "with a backlog")")
            found.append(Removed(name: cursor.delivery, cursor: cursor, logs: logs.removeValue(forKey: cursor.delivery)))
        }
        for (name, logs) in logs.sorted(by: { $0.key < $1.key }) {
            if logs.setAsideEvents > 0 { self.model.coverage.hit("removed \(self.what(name)) with events set aside") }
            found.append(Removed(name: name, cursor: nil, logs: logs))
        }
        return found
    }

    private func what(_ name: DeliveryName) -> String { name.stage == .mirror ? "mirror" : "route" }

    /// Those go on beside the producers.
    func startErrands(_ storage: Storage, _ removed: [Removed]) -> [Task<Void, Never>] {
        var errands: [Task<Void, Never>] = []
        if let forgetting = self.life.forgetting?.forgetting {
            errands.append(
                Task(executorPreference: self.process.tasks) {
                    await self.pass(milliseconds: forgetting.after)
                    await self.forget(forgetting.place, removed, storage)
                })
        }
        if let after = self.life.looksAfter {
            errands.append(
                Task(executorPreference: self.process.tasks) {
                    await self.pass(milliseconds: after)
                    Inspector(self.disk, self.model, self.life.lines, isBesideNode: true).look()
                })
        }
        return errands
    }

    /// `forebay routes forget` of a running node.
    private func forget(_ place: Int, _ removed: [Removed], _ storage: Storage) async {
        let meant = self.forgotten(place)
        let found = removed.filter { one in meant.contains { self.has($0, one.name) } }
        guard !found.isEmpty else { return self.model.coverage.hit("forget: nothing there") }
        self.clusters.tell(self.model)
        for delivery in meant { self.model.beginForgetting(delivery) }
        do throws(ForebayError) {
            for one in found {
                try await storage.data.giveUp(
                    one.name.folder, one.cursor, of: storage.spool, withSideLogs: one.logs != nil, closing: one.logs, storage.budget)
            }
            for delivery in meant { self.model.forgot(delivery) }
            self.countForgotten(meant, "node running")
        } catch {
            self.model.coverage.hit("route not given up: \(error.code)")
        }
    }

    private func forgotten(_ place: Int) -> [LineDelivery] {
        let removed = self.life.removed(mirrors: self.plan.mirrors.keys)
        return removed.isEmpty ? [] : removed[place % removed.count]
    }

    private func has(_ delivery: LineDelivery, _ name: DeliveryName) -> Bool {
        delivery.stage == name.stage && self.life.lines[delivery.line].names.contains(name.route)
    }

    private func countForgotten(_ meant: [LineDelivery], _ how: String) {
        let isMirror = meant.allSatisfy { $0.stage == .mirror }
        self.model.coverage.hit("\(isMirror ? "mirror" : "route") given up, \(how)")
    }

    /// `forebay routes forget --dir`, a process of its own.
    func forgetStopped(_ place: Int) async throws {
        let meant = self.forgotten(place)
        guard !meant.isEmpty else { return self.model.coverage.hit("forget: nothing there") }
        guard let inspection = try? SpoolInspection(directory: "\(Self.directory)/spool", disk: self.disk) else {
            return self.model.coverage.hit("forget: no spool")  // The start before it came to nothing.
        }
        let data = DataFolderLogs(routes: [], directory: Self.directory, disk: self.disk)
        let there = Set(try inspection.waiting().map(\.delivery) + data.removedRoutes().map { DeliveryName(folder: $0) })
        let names = there.filter { name in meant.contains { self.has($0, name) } }.sorted()
        guard !names.isEmpty else { return self.model.coverage.hit("forget: nothing there") }
        for name in names {
            for kind in SideLogFolder.Kind.allCases {
                let folder = data.folder(kind, name.folder)
                _ = (try folder.eventCount(), try folder.size())
            }
        }
        let storage = try self.open(MetricsRegistry())
        await storage.spool.releasePassedSegments()
        self.clusters.tell(self.model)
        for delivery in meant { self.model.beginForgetting(delivery) }
        for name in names {
            try await storage.data.giveUp(
                name.folder, storage.spool.allCursors.first { $0.delivery == name }, of: storage.spool, withSideLogs: true, storage.budget)
        }
        for delivery in meant { self.model.forgot(delivery) }
        self.countForgotten(meant, "node down")
        if let death = self.life.death?.death { self.process.die(death.kind.rawValue) }
        await storage.spool.close()
        storage.threads.end()
    }
}
