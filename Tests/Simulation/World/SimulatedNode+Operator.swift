import ForebayCore
import ForebaySpool
import ForebayTelemetry
import ForebayTestKit

/// What operators do beside a node that runs, and to the folder of one that is down: give up removed routes, look.
extension SimulatedNode {
    /// What a route that is not configured left. A round's names are never two routes'.
    struct Removed: Sendable {
        let route: String
        let cursor: SpoolCursor?
        let logs: SideLogs?
    }

    /// As the Runtime finds them, after all routes have their cursors.
    func removed(_ storage: Storage) async throws -> [Removed] {
        let configured = Set(self.life.configured.map { self.life.lines[$0].name })
        var logs = storage.removed
        var found: [Removed] = []
        for cursor in try await storage.spool.removedCursors({ configured.contains($0.delivery.route) }) {
            let held = storage.spool.held(by: cursor)
            let oldest = try storage.spool.oldestAcceptedAt(of: cursor)
            if held.bytes == 0 && oldest != nil, !self.model.isDamaged {
                self.model.violate("cursor \(cursor.name) of a removed route waits for events and holds no segment")
            }
            self.model.coverage.hit("removed route with a backlog")
            found.append(Removed(route: cursor.delivery.route, cursor: cursor, logs: logs.removeValue(forKey: cursor.delivery.route)))
        }
        for (route, logs) in logs.sorted(by: { $0.key < $1.key }) {
            if logs.setAsideEvents > 0 { self.model.coverage.hit("removed route with events set aside") }
            found.append(Removed(route: route, cursor: nil, logs: logs))
        }
        return found
    }

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
        guard let line = self.forgotten(place) else { return }
        let found = removed.filter { self.life.lines[line].names.contains($0.route) }
        guard !found.isEmpty else { return self.model.coverage.hit("forget: nothing there") }
        self.clusters.tell(self.model)
        self.model.beginForgetting(line: line)
        do throws(ForebayError) {
            for one in found {
                try await storage.data.giveUp(
                    one.route, one.cursor, of: storage.spool, withSideLogs: one.logs != nil, closing: one.logs, storage.budget)
            }
            self.model.forgot(line: line)
            self.model.coverage.hit("route given up, node running")
        } catch {
            self.model.coverage.hit("route not given up: \(error.code)")
        }
    }

    private func forgotten(_ place: Int) -> Int? {
        let removed = self.life.removed
        return removed.isEmpty ? nil : removed[place % removed.count]
    }

    /// `forebay routes forget --dir`, a process of its own.
    func forgetStopped(_ place: Int) async throws {
        guard let line = self.forgotten(place) else { return self.model.coverage.hit("forget: nothing there") }
        guard let inspection = try? SpoolInspection(directory: "\(Self.directory)/spool", disk: self.disk) else {
            return self.model.coverage.hit("forget: no spool")  // The start before it came to nothing.
        }
        let data = DataFolderLogs(routes: [], directory: Self.directory, disk: self.disk)
        let there = Set(try inspection.waiting().map(\.delivery.route) + data.removedRoutes())
        let names = self.life.lines[line].names.filter(there.contains)
        guard !names.isEmpty else { return self.model.coverage.hit("forget: nothing there") }
        for name in Set(names) {
            for kind in SideLogFolder.Kind.allCases {
                let folder = data.folder(kind, name)
                _ = (try folder.eventCount(), try folder.size())
            }
        }
        let storage = try self.open(MetricsRegistry())
        await storage.spool.releasePassedSegments()
        self.clusters.tell(self.model)
        self.model.beginForgetting(line: line)
        for name in Set(names).sorted() {
            try await storage.data.giveUp(
                name, storage.spool.allCursors.first { $0.delivery.route == name }, of: storage.spool, withSideLogs: true, storage.budget)
        }
        self.model.forgot(line: line)
        self.model.coverage.hit("route given up, node down")
        if let death = self.life.death?.death { self.process.die(death.kind.rawValue) }
        await storage.spool.close()
        storage.threads.end()
    }
}
