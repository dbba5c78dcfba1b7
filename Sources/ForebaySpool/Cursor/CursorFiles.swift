import ForebayCore
import ForebayTelemetry

/// Makes, opens and removes the files of a log's cursors, whichever of them are registered: that is for ``CursorSet`` to say.
struct CursorFiles: Sendable {
    private let disk: any Disk
    private let directory: String
    private let log: SpoolID
    private let budget: SpoolBudget
    private let reporter: SpoolReporter
    private let onDiskFailure: @Sendable (ForebayError) -> Never
    private let moved: @Sendable () -> Void
    private static let logger = Logger(label: "spool")

    /// - Parameter moved: a cursor has something to be synced.
    init(
        _ configuration: SpoolConfiguration, _ budget: SpoolBudget, _ log: SpoolID, _ reporter: SpoolReporter,
        moved: @escaping @Sendable () -> Void
    ) {
        self.disk = configuration.disk
        self.directory = configuration.directory
        self.log = log
        self.budget = budget
        self.reporter = reporter
        self.onDiskFailure = configuration.onDiskFailure
        self.moved = moved
    }

    /// Opens a registered cursor's file as a start has found it, and mends it; durably. What can't be read, or is gone, is made anew from
    /// the oldest event that is left on, with an alarm.
    ///
    /// - Parameter found: none: there is no such file.
    func open(
        _ entry: CursorRegistry.Entry, _ found: SlotFile.Found?, _ identity: LogIdentity, _ view: SpoolView
    ) throws(ForebayError) -> SpoolCursor {
        let path = LogIdentity.path(ofCursor: entry.name, in: self.directory)
        let (start, end) = view.read { ($0.start, $0.durableEnd) }
        let released = identity.mark?.value?.ordinal ?? 0
        guard var value = found?.value else {
            self.reporter.report(
                SpoolAlarm(
                    file: path,
                    text: found == nil
                        ? "the cursor's file is gone; it begins at the oldest event"
                        : "the cursor can't be read; it begins at the oldest event"))
            // In front of what is missing at the log's beginning, and may be had back.
            let oldest = identity.mark?.value == nil ? start : min(released, start)
            return try self.make(entry.name, entry.routes, oldest, view)
        }
        let owner = SpoolCursor.owner(entry.name)
        let isOld = Self.isOld(found!, value, identity, view)
        if isOld { value.sequence = min(released, start) }
        if value.sequence > end { value.sequence = end }
        if isOld || identity.isVersion1 || value.owner != owner || entry.routes.count > 1 {
            value.ordinal = try LogCensus(view, self.disk).ordinal(of: entry.routes, at: value.sequence)
        }
        value.owner = owner
        let slots = try SlotFile.take(self.disk, path, of: self.directory, as: .cursor, log: identity.log, found!, value)
        if !found!.isWhole, !identity.isVersion1 {
            Self.logger.warning("one slot of a cursor was damaged; it is written anew", ["file": path, "sequence": "\(value.sequence)"])
        }
        return self.cursor(entry.name, entry.routes, slots, value)
    }

    /// What is let go of was settled, or told of as lost. A slot that is older than the one that was lost does not know that. A cursor that
    /// is whole stands before a loss, and reads what is had back of it.
    static func isOld(_ found: SlotFile.Found, _ value: SlotFile.Value, _ identity: LogIdentity, _ view: SpoolView) -> Bool {
        !found.isWhole && value.sequence < min(identity.mark?.value?.ordinal ?? 0, view.read { $0.start })
    }

    /// Makes a cursor's file, durably, over what may have its name.
    func make(_ name: String, _ routes: [RouteID], _ sequence: UInt64, _ view: SpoolView) throws(ForebayError) -> SpoolCursor {
        let ordinal = try LogCensus(view, self.disk).ordinal(of: routes, at: sequence)
        let value = SlotFile.Value(sequence: sequence, ordinal: ordinal, owner: SpoolCursor.owner(name))
        let slots = try SlotFile.make(
            self.disk, LogIdentity.path(ofCursor: name, in: self.directory), of: self.directory, as: .cursor, log: self.log, value)
        return self.cursor(name, routes, slots, value)
    }

    /// Of one that may be registered: at no moment its file is not whole. Durable on return.
    ///
    /// - Parameter registered: the routes that the registry has it with until it is written; none: it is not in it.
    func rewrite(
        _ name: String, _ routes: [RouteID], registered: [RouteID] = [], _ sequence: UInt64, _ view: SpoolView
    ) throws(ForebayError) -> SpoolCursor {
        let path = LogIdentity.path(ofCursor: name, in: self.directory)
        guard let found = try SlotFile.read(self.disk, path, as: .cursor, log: self.log) else {
            return try self.make(name, routes, sequence, view)
        }
        let census = LogCensus(view, self.disk)
        let value = SlotFile.Value(
            sequence: sequence, ordinal: try census.ordinal(of: routes, at: sequence), owner: SpoolCursor.owner(name))
        // A start believes the count of a single route, as the registry has it by then; that of several it makes anew.
        var written = value
        if registered.count == 1 { written.ordinal = try census.ordinal(of: registered, at: sequence) }
        let slots = try SlotFile.take(self.disk, path, of: self.directory, as: .cursor, log: self.log, found, written)
        try self.disk.syncFolder(Folder.parent(of: path))
        return self.cursor(name, routes, slots, value)
    }

    private func cursor(_ name: String, _ routes: [RouteID], _ slots: sending SlotFile, _ value: SlotFile.Value) -> SpoolCursor {
        SpoolCursor(
            name: name, routes: routes, slots: slots, value: value,
            ahead: self.ahead(of: name, routes), budget: self.budget, moved: self.moved,
            mayPass: { [reporter] in reporter.mayPass($0) }, onDiskFailure: self.onDiskFailure)
    }

    /// What is settled ahead of a cursor stands there, or will.
    func ahead(of name: String, _ routes: [RouteID]) -> SettledAheadFile {
        SettledAheadFile(
            disk: self.disk, directory: self.directory, log: self.log, name: name, routes: routes)
    }

    /// With what is settled ahead of it; durably.
    func remove(_ name: String) throws(ForebayError) {
        try Folder(self.disk).remove(LogIdentity.path(ofCursor: name, in: self.directory))
        let ahead = SettledAheadFile.path(of: name, in: self.directory)
        if try self.disk.kind(of: ahead) != nil { try Folder(self.disk).remove(ahead) }
    }
}
