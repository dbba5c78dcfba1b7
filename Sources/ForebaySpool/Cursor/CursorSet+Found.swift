import ForebayCore
import ForebayTelemetry

/// What a start finds: what the cursors' files say, and events that no cursor counts.
extension CursorSet {
    /// What is settled was there, also where its segments are gone: before any other cursor of the same route counts what it has passed.
    static func countSettled(_ registry: CursorRegistry, _ identity: LogIdentity, _ view: SpoolView) {
        guard !identity.isVersion1 else { return }
        for entry in registry.cursors where entry.routes.count == 1 {
            guard let found = identity.cursors[entry.name], let value = found.value, value.owner == SpoolCursor.owner(entry.name),
                !CursorFiles.isOld(found, value, identity, view)
            else { continue }
            view.change { $0.ordinals[entry.routes[0]] = max($0.ordinals[entry.routes[0]] ?? 0, value.ordinal) }
        }
    }

    /// While its route is away nothing is added to what a cursor counts. So what stands behind the place at which it was given up, because
    /// nothing was left, was not there then.
    func takeUpForgotten(_ view: SpoolView) throws(ForebayError) {
        let registry = self.registry
        for name in registry.forgotten.keys.sorted() {
            let forward = DeliveryName(.forward, of: Self.route(of: name)).cursor, isForward = Self.stage(of: name) == Self.forward
            // Another stage may have been given up long before its route was; and while any has it, events are added.
            let sequence = max(registry.forgotten[name] ?? 0, isForward ? 0 : registry.forgotten[forward] ?? 0)
            for route in Self.routes(ofName: name) {
                let others = isForward ? self.all.filter { $0.stage == Self.forward }.map(\.routes) : registry.cursors.map(\.routes)
                guard !others.contains(where: { $0.contains(route) }),
                    try LogCensus(view, self.disk).findsEvents(of: [route], from: sequence)
                else { continue }
                if let cursor = try self.hold(name, route, max(sequence, self.place(of: name, [route], view)), view) {
                    Self.logger.info(
                        "events of a removed route are back: they wait for it", ["cursor": name, "sequence": "\(cursor.sequence)"])
                }
                break  // One name is one cursor's.
            }
        }
    }

    /// Events of routes that no cursor counts, when nobody knows any more which did: each route has one of its own from now on, until a
    /// route of its name, or one that had this name before, takes it over, or it is given up.
    func adoptOrphans(_ view: SpoolView) throws(ForebayError) {
        let forward = self.all.filter { $0.stage == Self.forward }
        // What was given up since it was lost is known.
        let forgotten = self.registry.forgotten.keys.filter { Self.stage(of: $0) == Self.forward }
        let orphans = Set(view.read { $0.ordinals.keys }).subtracting(forward.flatMap(\.routes) + forgotten.flatMap(Self.routes(ofName:)))
        for route in orphans.sorted(by: { $0.rawValue < $1.rawValue }) {
            let name = Self.unknown(route)
            guard let cursor = try self.hold(name, route, view.read { $0.start }, view) else { continue }
            self.reporter.report(
                SpoolAlarm(
                    file: "\(self.directory)/\(CursorRegistry.files[0])",
                    text:
                        "the registry was lost, and no cursor counts the events of a route whose name is not known: they are kept as those"
                        + " of \(cursor.route), from the oldest on"))
        }
    }
}
