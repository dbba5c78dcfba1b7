import ForebayCore
import ForebayTelemetry
import Synchronization

/// All cursors of a log: every one that was made and not given up holds its segments from the opening on, whether a stage asks for it or
/// not.
///
/// - made: both slots written and synced, then entered in the registry; only then it is used.
/// - registered, and its file gone or not readable: from the oldest event that is left, with an alarm. Repeats are better than holes.
/// - its file there, but not registered: left over from a making that a crash cut short.
/// - given up: taken out of the registry, then removed. Should the name come back, it begins where it was given up.
/// - given up, and events of its route stand behind that place: their segment was away then. They have a cursor again, as before.
/// - the registry lost: an event on disk that no cursor counts is kept by one that is made for its route.
/// - one of these two found no room: what it would hold stays, and it is made when there is room.
final class CursorSet: Sendable {
    private struct State {
        var registry: CursorRegistry
        var cursors: [String: SpoolCursor] = [:]
        /// Those that found no room.
        var unmade: [Unmade] = []
        /// All that will be asked for is there.
        var isReleased = false
        /// The registry on disk lacks something that could not be written.
        var isMendDue = false
    }

    private struct Unmade {
        let name: String
        let route: RouteID
        let sequence: UInt64
    }

    let disk: any Disk
    let directory: String
    private let kind: LogKind
    private let budget: SpoolBudget
    private let state: Mutex<State>
    let reporter: SpoolReporter
    let files: CursorFiles
    /// Held while the registry is written.
    private let changing = Mutex(())
    static let logger = Logger(label: "spool")

    /// Opens every cursor that is registered, and mends what is damaged.
    ///
    /// - Parameter moved: a cursor has something to be synced.
    init(
        _ configuration: SpoolConfiguration, _ budget: SpoolBudget, _ identity: LogIdentity, _ view: SpoolView, _ reporter: SpoolReporter,
        moved: @escaping @Sendable () -> Void
    ) throws(ForebayError) {
        self.budget = budget
        self.disk = configuration.disk
        self.directory = configuration.directory
        self.kind = configuration.kind
        self.reporter = reporter
        let registry = identity.knownRegistry
        self.files = CursorFiles(configuration, budget, registry.log, reporter, moved: moved)
        self.isRegistryLost = identity.isRegistryLost
        if self.isRegistryLost {
            reporter.report(
                SpoolAlarm(
                    file: "\(self.directory)/\(CursorRegistry.files[0])",
                    text: "the registry of cursors is gone or can't be read; it is made anew from the cursors' files, and a cursor that has"
                        + " none begins at the oldest event"))
        }
        self.state = Mutex(State(registry: registry))
        // Without it what is settled ahead is delivered again. Once it is gone, it may have been moved away: only a start makes it.
        if configuration.kind == .spool { try? Folder(self.disk).make(SettledAheadFile.folder(in: self.directory)) }
        Self.countSettled(registry, identity, view)
        for entry in registry.cursors {
            let cursor = try self.files.open(entry, identity.cursors[entry.name], identity, view)
            self.state.withLock { $0.cursors[entry.name] = cursor }
        }
        if configuration.kind == .spool {
            try self.takeUpForgotten(view)
            if self.isRegistryLost { try self.adoptOrphans(view) }
        }
        if !identity.isUpToDate { try self.mendRegistry(mayFail: !identity.isNew) }
    }

    /// Makes a cursor whose route nobody has asked for, if there is room.
    func hold(_ name: String, _ route: RouteID, _ sequence: UInt64, _ view: SpoolView) throws(ForebayError) -> SpoolCursor? {
        do throws(ForebayError) {
            return try self.budget.withReserve { () throws(ForebayError) in try self.put(name, [route], sequence, view) }
        } catch {
            guard error.code == .spoolFull else { throw error }
            self.state.withLock { $0.unmade.append(Unmade(name: name, route: route, sequence: sequence)) }
            Self.logger.warning(
                "a cursor found no room; until there is some, what it would hold stays",
                ["cursor": name, "sequence": "\(sequence)", "error": error.description])
            return nil
        }
    }

    /// Makes the cursors that found no room at the start, but for those whose route has one by now, and writes what the registry lacks.
    ///
    /// - Returns: false: it can't be done yet.
    func makeUnmade(_ view: SpoolView) throws(ForebayError) -> Bool {
        guard self.state.withLock({ !$0.unmade.isEmpty || $0.isMendDue }) else { return true }
        for unmade in self.state.withLock({ $0.unmade }) {
            let isCounted = self.all.contains { $0.stage == Self.stage(of: unmade.name) && $0.routes.contains(unmade.route) }
            do throws(ForebayError) {
                if !isCounted { _ = try self.put(unmade.name, [unmade.route], unmade.sequence, view) }
                self.state.withLock { state in
                    state.unmade.removeAll { $0.name == unmade.name }
                    state.isMendDue = true
                }
            } catch {
                // Too many open files, say, is no reason to stop either.
                guard error.code != .syncFailed else { throw error }
            }
        }
        guard self.state.withLock({ $0.isMendDue }) else { return false }
        do throws(ForebayError) { try self.mendRegistry(mayFail: true) } catch {
            guard error.code != .syncFailed else { throw error }
        }
        return self.state.withLock { !$0.isMendDue && $0.unmade.isEmpty }
    }

    /// Whether a segment has something for one that found no room.
    func isHeld(_ segment: SegmentInfo) -> Bool {
        self.state.withLock { state in
            state.unmade.contains { segment.end > $0.sequence && (segment.isDamaged || segment.routes[$0.route] != nil) }
        }
    }

    private func mendRegistry(mayFail: Bool) throws(ForebayError) {
        let isNews = self.state.withLock { state in
            defer { state.isMendDue = true }
            return !state.isMendDue
        }
        do throws(ForebayError) {
            // By now every slot has been written anew.
            let isComplete = self.state.withLock { $0.unmade.isEmpty }
            try self.register { registry in
                registry.version = SpoolFormat.version
                registry.kind = self.kind
                if isComplete { registry.isIncomplete = false }
            }
            self.state.withLock { $0.isMendDue = false }
        } catch {
            guard mayFail, error.code == .spoolFull else { throw error }
            guard isNews else { return }
            Self.logger.warning("the registry of cursors could not be written", ["folder": self.directory, "error": error.description])
        }
    }

    /// Nobody knows which cursors there were: one without a file may have been lost with its file.
    private let isRegistryLost: Bool

    // MARK: Cursors

    var registry: CursorRegistry { self.state.withLock { $0.registry } }

    func cursor(_ name: String) -> SpoolCursor? { self.state.withLock { $0.cursors[name] } }

    var all: [SpoolCursor] { self.state.withLock { state in state.cursors.values.sorted { $0.name < $1.name } } }

    /// Who has settled what, as counts of what is lost have to know it.
    var parties: [LossCount.Party] {
        self.all.map { cursor in
            let value = cursor.value
            return LossCount.Party(
                stage: Self.stage(of: cursor.name), routes: cursor.routes, sequence: value.sequence, ordinal: value.ordinal)
        } + self.state.withLock { $0.registry.givenUp }
    }

    /// Everything below it is settled, durably, by every cursor. None: there is no cursor, or nothing may go yet.
    var lowestSynced: UInt64? {
        self.state.withLock { state in state.isReleased ? state.cursors.values.lazy.map(\.syncedSequence).min() : nil }
    }

    /// Whether anything may go yet.
    var isReleased: Bool { self.state.withLock { $0.isReleased } }

    /// From now on what all are durably past may go: nobody will be asked for that begins before it.
    func release() { self.state.withLock { $0.isReleased = true } }

    /// Makes a cursor; durably. What was given up under its name stays so.
    func make(
        _ name: String, routes: [RouteID], _ beginning: CursorBeginning, _ view: SpoolView
    ) throws(ForebayError) -> SpoolCursor {
        // Where it stood is not known: one that was there before may have had anything to settle.
        let isAtEnd = beginning == .end && !self.isRegistryLost
        let sequence = isAtEnd ? view.read { $0.durableEnd } : self.place(of: name, routes, view)
        let cursor = try self.put(name, routes, sequence, view)
        if self.isRegistryLost, sequence < view.read({ $0.durableEnd }) {
            let file = LogIdentity.path(ofCursor: name, in: self.directory)
            self.reporter.report(
                SpoolAlarm(file: file, text: "the registry was lost, and there is no such cursor: it begins at the oldest event"))
        }
        return cursor
    }

    /// Where a new one begins.
    func place(of name: String, _ routes: [RouteID], _ view: SpoolView) -> UInt64 {
        let forgotten = self.state.withLock { state in
            ([name] + routes.map(Self.unknown)).compactMap { state.registry.forgotten[$0] }.max() ?? 0
        }
        return view.read { min(max($0.start, forgotten), $0.durableEnd) }
    }

    private func put(_ name: String, _ routes: [RouteID], _ sequence: UInt64, _ view: SpoolView) throws(ForebayError) -> SpoolCursor {
        // Not over what an attempt that found no room may have made and registered: the next start may find only that.
        let cursor = try self.files.rewrite(name, routes, sequence, view)
        try self.register { $0.put(CursorRegistry.Entry(name: name, routes: routes)) }
        self.state.withLock { $0.cursors[name] = cursor }
        return cursor
    }

    /// A cursor takes over from others: it stands where the last of them stands, and counts their routes' events too.
    ///
    /// - Parameter parted: which go on and counted some of these routes under former names: they count them no longer. A name that is in
    ///   use again takes back what of its events still waits. What they were before is not to be used any more.
    func takeOver(
        _ name: String, routes: [RouteID], from old: [SpoolCursor], partingFrom parted: [SpoolCursor], _ view: SpoolView
    ) throws(ForebayError) -> SpoolCursor {
        let known = self.cursor(name)
        var sequence = (old + parted + (known.map { [$0] } ?? [])).map(\.sequence).min() ?? 0
        if old.isEmpty, known == nil {
            // What it had settled itself when it was taken over, by one that stood further back.
            let taken = self.state.withLock { $0.registry.forgotten[name] } ?? 0
            sequence = min(max(sequence, taken), view.read { $0.durableEnd })
        }
        // Before it goes back: until it is registered with these routes, that says nothing.
        if let known { self.keepAhead(of: known, routes, from: sequence, view) }
        let cursor = try self.files.rewrite(name, routes, registered: known?.routes ?? [], sequence, view)
        if old.count == 1, known == nil, parted.isEmpty { self.takeOverAhead(old[0], cursor, view) }
        var rests: [SpoolCursor] = []
        // Their count before the registry: of one with several routes it is not believed at a start, of one with a single route it is.
        for cursor in parted {
            rests.append(try self.files.rewrite(cursor.name, cursor.routes.filter { !routes.contains($0) }, cursor.sequence, view))
        }
        try self.register { registry in
            for cursor in old {
                registry.remove(cursor.name)
                registry.forgotten[cursor.name] = cursor.sequence
            }
            for cursor in rests { registry.put(CursorRegistry.Entry(name: cursor.name, routes: cursor.routes)) }
            registry.put(CursorRegistry.Entry(name: name, routes: routes))
        }
        self.state.withLock { state in
            for cursor in old { state.cursors[cursor.name] = nil }
            for cursor in rests { state.cursors[cursor.name] = cursor }
            state.cursors[name] = cursor
        }
        for cursor in old {
            try self.files.remove(cursor.name)
            let waiting = view.read { state in cursor.routes.reduce(0) { $0 + (state.ordinals[$1] ?? 0) } }
            Self.logger.info(
                "a route has taken over the backlog of a former name",
                [
                    "cursor": name, "from": cursor.name, "sequence": "\(cursor.sequence)",
                    "events": "\(waiting - min(waiting, cursor.ordinal))",
                ])
        }
        return cursor
    }

    /// Gives a cursor up: it holds nothing any more. What it counted under former names does not come back with one of these either.
    ///
    /// - Parameter sequence: below it all is given up, what is away at present, too; lower than the cursor: what that is past.
    func forget(_ name: String, below sequence: UInt64) throws(ForebayError) {
        guard let cursor = self.cursor(name) else { return }
        try self.register { registry in
            registry.remove(name)
            let former = registry.forgotten.keys.filter { former in
                Self.stage(of: former) == cursor.stage && Self.routes(ofName: former).contains { cursor.routes.contains($0) }
            }
            for name in former + [name] { registry.forgotten[name] = max(registry.forgotten[name] ?? 0, cursor.sequence, sequence) }
        }
        self.state.withLock { $0.cursors[name] = nil }
        try self.files.remove(name)
    }

    private func register(_ change: (inout CursorRegistry) -> Void) throws(ForebayError) {
        let outcome = self.changing.withLock { _ in
            Result { () throws(ForebayError) in
                var registry = self.registry
                change(&registry)
                try registry.write(self.disk, to: self.directory)
                self.state.withLock { $0.registry = registry }
            }
        }
        try outcome.get()
    }
}
