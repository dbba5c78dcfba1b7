package import ForebayAdmin
package import ForebayCore
import ForebayDelivery
import ForebaySpool

extension StoppedNode {
    /// What `DELETE /admin/v1/setaside` and `POST /admin/v1/setaside/move` do. Takes the lock, unless it only says what would be done.
    package func mend(_ action: AsideSelection.Action, _ selection: AsideSelection) async throws(ForebayError) -> AsideAnswer {
        let names = try SideLogFolder.all(.setAside, in: self.directory).map { DeliveryName(folder: $0.route) }.sorted()
        let route = selection.route.map { DeliveryName(name: $0) }
        let meant = names.filter { route == nil || $0 == route }
        if let route = selection.route, meant.isEmpty { return .unknownRoute(route) }
        if let refusal = AsideWork.refusal(action, selection) { return refusal }
        if selection.isDryRun { return try self.look(action, selection, meant) }
        let folder = try OwnedDataFolder(self.directory, onDiskFailure: DiskFailure.leave)
        defer { folder.release() }
        var targets: [AsideTarget] = []
        var logs: [SetAsideLog] = []
        for name in action == .remove ? meant : names {
            let log = try folder.setAside(name.folder)
            logs.append(log)
            // Which of them are delivered to one cluster the configuration says, which nobody has here. A mirror's is another one.
            targets.append(
                AsideTarget(name: name, setAside: .undelivered(name, log, isAlone: false), cluster: name.stage.rawValue))
        }
        for logs in Dictionary(grouping: targets, by: \.cluster).values { SetAside.order(logs.map(\.setAside)) }
        let answer = await AsideWork(action: action, selection: selection, executor: folder.executor, isLogged: false).run(targets)
        for log in logs { await log.close() }
        return answer
    }

    private func look(
        _ action: AsideSelection.Action, _ selection: AsideSelection, _ names: [DeliveryName]
    ) throws(ForebayError) -> AsideAnswer {
        var outcome = AsideOutcome(action, isDryRun: true)
        var target: String?
        if case .move(let topic) = action { target = topic }
        for name in names {
            for unit in try SetAsideLog.list(directory: "\(self.directory)/\(SideLogFolder.Kind.setAside.rawValue)/\(name.folder)")
            where unit.end > unit.settled && unit.topic == selection.topic ?? unit.topic && unit.topic != target
                && (selection.partition == nil || unit.partition == selection.partition)
            {
                outcome.units.append(.init(delivery: name, unit: unit.name, code: unit.code, events: unit.end - unit.settled))
            }
        }
        return outcome.units.isEmpty ? .nothing(selection) : .done(outcome)
    }
}
