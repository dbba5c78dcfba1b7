package import ForebayCore
import ForebayTelemetry
import Synchronization

/// Which logs a data folder has, so that a start misses one that is gone as a whole: left out when the folder was copied or restored,
/// deleted, on a disk that is not mounted.
///
///     found, starting ── finishStart: what is missing is told of, and written ──> running: what is opened is entered before it is used
package final class KnownLogs: Sendable {
    private struct Opened {
        let id: SpoolID
        let view: SpoolView
    }

    private struct State {
        var registry: LogRegistry
        /// What this process has opened so far.
        var opened: [String: Opened] = [:]
        var isStarting = true
        /// The files don't say what is known here.
        var isUnwritten: Bool
    }

    static let spool = "spool"

    private let disk: any Disk
    private let directory: String
    private let found: LogRegistry.Found
    /// Something in the folder was made by a node that had a spool, and there is none.
    private let isSpoolGone: Bool
    private let state: Mutex<State>
    /// Held while the files are written.
    private let changing = Mutex(())
    private let logger = Logger(label: "node")

    /// Before anything in the folder is opened or made.
    ///
    /// - Parameter directory: the data folder.
    package init(in directory: String, disk: any Disk) throws(ForebayError) {
        self.disk = disk
        self.directory = directory
        let found = try LogRegistry.read(disk, of: directory)
        self.found = found
        self.isSpoolGone = try Self.isSpoolGone(directory, disk)
        self.state = Mutex(State(registry: found.registry ?? LogRegistry(), isUnwritten: !found.isWhole))
    }

    /// What an older version left has no registry; then side logs, and the reserve's file, tell that there was a spool.
    private static func isSpoolGone(_ directory: String, _ disk: any Disk) throws(ForebayError) -> Bool {
        guard try Folder(disk).entries("\(directory)/\(Self.spool)").isEmpty else { return false }
        if try disk.kind(of: "\(directory)/ballast") == .file { return true }
        for kind in SideLogFolder.Kind.allCases where try !SideLogFolder.all(kind, in: directory, disk: disk).isEmpty { return true }
        return false
    }

    /// - Parameter path: of a log's folder.
    func name(of path: String) -> String { String(path.dropFirst(self.directory.count + 1)) }

    /// Whether a log that this process has had open, so that it is somewhere, is not in its place: nothing is, or something else.
    func isAway(_ path: String) throws(ForebayError) -> Bool {
        let name = self.name(of: path)
        guard let log = self.state.withLock({ $0.opened[name]?.id }) else { return false }
        guard try self.disk.kind(of: "\(path)/segments") == .folder else { return true }
        return try CursorRegistry.read(self.disk, of: path).registry.map { $0.log != log } ?? false
    }

    /// Opens a log of the folder, or makes it; it is known, durably, before anything is in it.
    package func open(
        _ configuration: SpoolConfiguration, budget: SpoolBudget, threads: SpoolThreads, metrics: SpoolMetrics
    ) throws(ForebayError) -> Spool {
        do throws(ForebayError) {
            return try self.openAndEnter(configuration, budget, threads, metrics)
        } catch {
            if error.code == .spoolFull { budget.lacks(SpoolFormat.block, for: configuration, isRefused: true) }
            throw error
        }
    }

    private func openAndEnter(
        _ configuration: SpoolConfiguration, _ budget: SpoolBudget, _ threads: SpoolThreads, _ metrics: SpoolMetrics
    ) throws(ForebayError) -> Spool {
        if self.name(of: configuration.directory) == Self.spool { self.noteGone(budget) }
        var configuration = configuration
        configuration.knownEnds = self.state.withLock { $0.registry.knownEnds }
        let spool = try Spool.open(configuration, budget: budget, threads: threads, metrics: metrics)
        do throws(ForebayError) {
            try budget.withReserve { () throws(ForebayError) in try self.opened(spool) }
        } catch {
            spool.uncount()
            throw error
        }
        return spool
    }

    /// Opens one log, or makes it, while the others stay closed: no start, which would miss those.
    func openAlone(
        _ configuration: SpoolConfiguration, budget: SpoolBudget, threads: SpoolThreads, metrics: SpoolMetrics
    ) throws(ForebayError) -> Spool {
        var configuration = configuration
        configuration.knownEnds = self.state.withLock { $0.registry.knownEnds }
        let spool = try Spool.open(configuration, budget: budget, threads: threads, metrics: metrics)
        // Without a registry the next start makes one of all that is there.
        guard self.found.registry != nil else { return spool }
        let name = self.name(of: configuration.directory)
        try budget.withReserve { () throws(ForebayError) in try self.change { registry, _ in registry.logs[name] = spool.id } }
        return spool
    }

    /// A spool that no registry names is gone, which nothing tells once a new one has its place: so it is entered before that is made, with
    /// an id that none has, and a start that is cut short leaves it missed.
    private func noteGone(_ budget: SpoolBudget) {
        guard self.isSpoolGone, self.state.withLock({ $0.registry.logs[Self.spool] == nil }) else { return }
        do throws(ForebayError) {
            try budget.withReserve { () throws(ForebayError) in
                try self.change { registry, _ in registry.logs[Self.spool] = SpoolID.none }
            }
        } catch {
            // It is told of by this start all the same, if that comes so far.
            self.logger.warning("the registry of logs could not be written", ["folder": self.directory, "error": error.description])
        }
    }

    private func opened(_ spool: Spool) throws(ForebayError) {
        let name = self.name(of: spool.configuration.directory)
        let (isStarting, other) = self.state.withLock { state in
            let other = state.opened.first { $0.key != name && $0.value.id == spool.id }?.key
            if other == nil { state.opened[name] = Opened(id: spool.id, view: spool.view) }
            return (state.isStarting, other)
        }
        if let other {
            throw .plain(
                "\(spool.configuration.directory) is a copy of \(self.directory)/\(other), or that of it: move away the one that does not belong"
                    + " there, then start again")
        }
        if !isStarting { try self.enterOpened() }
    }

    private func enterOpened() throws(ForebayError) {
        try self.change { registry, opened in
            registry.logs = opened.mapValues(\.id)
            registry.ends = Self.ends(of: opened)
        }
    }

    private static func ends(of opened: [String: Opened]) -> [String: UInt64] {
        opened.mapValues { $0.view.read { $0.durableEnd } }
    }

    /// All are closed: how far they went is known to the next start, which so misses the end of one that is older than the others.
    ///
    /// - Parameter empty: those with nothing in them; nobody will miss them.
    func finishStop(empty: [String]) throws(ForebayError) {
        var names: Set<String> = []
        do throws(ForebayError) {
            names = try self.names(of: empty)
        } catch {
            // Those are known for longer than they need be; how far the others went is known all the same.
            self.logger.warning("empty logs could not be looked at", ["folder": self.directory, "error": error.description])
        }
        try self.change { registry, opened in
            Self.forget(names, &registry, &opened)
            registry.ends = Self.ends(of: opened).filter { registry.logs[$0.key] != nil }
        }
    }

    /// All that is there has been opened: tells of what is not, and knows from now on what is.
    ///
    /// - Parameter spool: has the alarms.
    /// - Throws: nothing on disk knows one of them, and that can't be changed: it could be lost unseen, with all that is accepted from now
    ///   on. For want of room alone what waits in a spool is not held up.
    package func finishStart(_ spool: Spool) throws(ForebayError) {
        let ids = Set(self.state.withLock { $0.opened.values.map(\.id) })
        if self.found.registry != nil, !self.found.isWhole {
            self.logger.warning("one copy of the registry of logs was damaged; it is written anew", ["folder": self.directory])
        }
        // One that has another name now is known by its id.
        spool.hadBack(ids)
        for alarm in self.missed(beside: ids, isSpoolUsed: spool.durableEnd > 0) { spool.report(alarm) }
        self.state.withLock { $0.isStarting = false }
        do throws(ForebayError) {
            try spool.withReserve { () throws(ForebayError) in try self.enterOpened() }
        } catch {
            let isKnown = self.state.withLock { Set($0.registry.logs.values).isSuperset(of: $0.opened.values.map(\.id)) }
            guard isKnown || error.code == .spoolFull && spool.durableEnd > 0 else { throw error }
            // The next log that is opened, or given up, writes it.
            self.logger.warning("the registry of logs could not be written", ["folder": self.directory, "error": error.description])
        }
    }

    /// What a start that finds these logs has to tell.
    ///
    /// - Parameter isSpoolUsed: whether anything was ever accepted into the spool that is there: then it is not the one that a start begins
    ///   for want of another. (An earlier start may have missed it, and not come to its end.)
    func missed(beside ids: Set<SpoolID>, isSpoolUsed: Bool) -> [SpoolAlarm] {
        let known = self.state.withLock { $0.registry.logs }.filter { !(isSpoolUsed && $0.value == SpoolID.none) }
        var alarms: [SpoolAlarm] = []
        if self.found.isThere, self.found.registry == nil {
            alarms.append(
                SpoolAlarm(
                    file: "\(self.directory)/\(LogRegistry.files[0])",
                    text: "the registry of logs can't be read; it is made anew from the logs that are there: one that is gone is not known")
            )
        }
        var gone = known.filter { !ids.contains($0.value) }
        if self.isSpoolGone, !isSpoolUsed, known[Self.spool] == nil { gone[Self.spool] = SpoolID.none }
        return alarms + gone.sorted { $0.key < $1.key }.map { self.alarm($0.key, $0.value) }
    }

    /// The registry is written without it, so a later start does not miss it once more: it is kept with the alarms.
    private func alarm(_ name: String, _ log: SpoolID) -> SpoolAlarm {
        SpoolAlarm(file: "\(self.directory)/\(name)", text: Self.text(name), holdsEvents: true, log: log)
    }

    private static func text(_ name: String) -> String {
        if name == Self.spool {
            return
                "the spool is gone: what was accepted and not delivered yet is lost; a new one is begun, and new events get ids of a new kind"
        }
        let what = name.hasPrefix(SideLogFolder.Kind.setAside.rawValue) ? "what was set aside" : "the dead letters"
        return "the folder is gone, and \(what) in it"
    }

    /// They are given up: nobody will miss them. Durable on return.
    func forget(_ paths: [String]) throws(ForebayError) {
        let names = try self.names(of: paths)
        try self.change { registry, opened in Self.forget(names, &registry, &opened) }
    }

    private static func forget(_ names: Set<String>, _ registry: inout LogRegistry, _ opened: inout [String: Opened]) {
        for name in names { (registry.logs[name], registry.ends[name], opened[name]) = (nil, nil, nil) }
    }

    /// All names of the logs in some folders.
    private func names(of paths: [String]) throws(ForebayError) -> Set<String> {
        var names = Set(paths.map(self.name))
        for path in paths { names.formUnion(try self.formerNames(of: path)) }
        return names
    }

    /// The names under which a log is known that has another one since: taken over by a start that did not come to its end. What was
    /// opened is known by its own.
    private func formerNames(of path: String) throws(ForebayError) -> [String] {
        let name = self.name(of: path)
        let (logs, isOpened) = self.state.withLock { ($0.registry.logs, $0.opened[name] != nil) }
        guard !isOpened, let log = try CursorRegistry.read(self.disk, of: path).registry?.log else { return [] }
        var names: [String] = []
        for (other, itsLog) in logs where other != name && itsLog == log {
            if try self.disk.kind(of: "\(self.directory)/\(other)/segments") == nil { names.append(other) }
        }
        return names
    }

    /// Changes what stands in the registry, durably, and what counts as opened: one change after the other, so that none enters again what
    /// another takes out.
    private func change(_ change: (inout LogRegistry, inout [String: Opened]) -> Void) throws(ForebayError) {
        let outcome = self.changing.withLock { _ in
            Result { () throws(ForebayError) in
                var (registry, opened, isUnwritten) = self.state.withLock { ($0.registry, $0.opened, $0.isUnwritten) }
                let (before, known) = (registry, Set(opened.keys))
                change(&registry, &opened)
                if isUnwritten || registry != before {
                    self.state.withLock { $0.isUnwritten = true }
                    try registry.write(self.disk, to: self.directory)
                    self.state.withLock { ($0.registry, $0.isUnwritten) = (registry, false) }
                }
                let gone = known.subtracting(opened.keys)
                self.state.withLock { state in
                    for name in gone { state.opened[name] = nil }
                }
            }
        }
        try outcome.get()
    }
}
