import ForebayCore

/// Which log a folder holds, from everything in it that says so: read before anything is changed.
struct LogIdentity {
    var log: SpoolID
    let kind: LogKind
    /// Written by a version that had no registry.
    var isVersion1: Bool
    /// Some slot may tell no kind: an older version wrote it, and no start of this one has come to its end yet.
    var hasOlderSlots: Bool
    var registry: CursorRegistry.Found
    /// Of this log; none: there is no such file.
    var mark: SlotFile.Found?
    /// See ``SpoolConfiguration/knownEnds``.
    var knownEnd: UInt64 = 0
    /// The cursors' files of this log, by name.
    var cursors: [String: SlotFile.Found] = [:]
    /// Names of files of cursors in which another cursor's slot stands: copies of it.
    private var copies: Set<String> = []
    /// Whether there was nothing that says anything.
    var isNew: Bool
    /// Whether there must have been a registry, and it can't be read, or was made anew since by a start that did not come to its end:
    /// nobody knows which cursors there were.
    var isRegistryLost: Bool

    init(
        _ disk: any Disk, of directory: String, _ kind: LogKind, _ found: FoundSegments, chance: any ChanceSource
    ) throws(ForebayError) {
        self.kind = kind
        var registry = try CursorRegistry.read(disk, of: directory)
        if let log = registry.registry?.log, !found.segments.isEmpty, !found.segments.contains(where: { $0.header.log == log }) {
            registry.registry = nil  // Another log's, put here by somebody: it says nothing of this one.
        }
        if let itsKind = registry.registry?.kind, itsKind != kind {
            guard found.segments.isEmpty else { throw .plain("\(directory) is \(Self.mistake(itsKind, for: kind))") }
            registry.registry = nil
        }
        self.registry = registry
        let folder = "\(directory)/cursors", markPath = "\(directory)/\(SpoolMark.file)"
        let files = try Folder(disk).entries(folder)
        let mark = try Self.newestSlot(disk, markPath, as: .mark)
        var slots: [String: Slot] = [:]
        for file in files { slots[file] = try Self.newestSlot(disk, "\(folder)/\(file)", as: .cursor) }
        // Only since version 2 a slot says whose it is.
        let isNewFormat =
            self.registry.isThere || found.segments.contains { $0.header.version > 1 } || mark.map { $0.owner != 0 } ?? false
            || slots.values.contains { $0.owner != 0 }
        // A mark that says nothing is what a first start leaves that was cut short: the registry comes next, and only then a cursor.
        let isThere =
            !found.segments.isEmpty || !found.unreadable.isEmpty || !slots.isEmpty || mark.map { $0.value > 0 || $0.ordinal > 0 } ?? false
        self.isNew = !isNewFormat && !isThere
        self.isVersion1 = !isNewFormat && isThere
        self.isRegistryLost = isNewFormat && self.registry.registry?.isIncomplete ?? true
        // A segment of this version is made only when all slots have been written anew.
        self.hasOlderSlots = !(self.registry.registry?.hasKinds ?? found.segments.contains { $0.header.version > 2 }) && !self.isNew
        let votes = Dictionary(slots.values.map { ($0.log, 1) }, uniquingKeysWith: +)
        let elected = votes.max { ($0.value, $0.key.description) < ($1.value, $1.key.description) }?.key
        var chance = chance.generator
        self.log =
            self.registry.registry?.log ?? elected ?? found.segments.last?.header.log ?? mark?.log ?? SpoolID.random(using: &chance)
        self.mark = try SlotFile.read(disk, markPath, as: .mark, log: self.log, takesOlder: self.hasOlderSlots)
        for file in files {
            let name = Self.cursorName(ofFile: file)
            if let owner = slots[file]?.owner, owner != 0, owner != SpoolCursor.owner(name) { self.copies.insert(name) }
            self.cursors[name] = try SlotFile.read(
                disk, "\(folder)/\(file)", as: .cursor, log: self.log, owner: SpoolCursor.owner(name), takesOlder: self.hasOlderSlots)
        }
    }

    private static func mistake(_ itsKind: LogKind, for kind: LogKind) -> String {
        "a log of \(itsKind.contents), not of \(kind.contents): put it back where it belongs"
    }

    /// Why a start would refuse a folder in the place of a log of that kind; none if it would take it.
    static func refusal(of directory: String, as kind: LogKind, _ disk: any Disk) throws(ForebayError) -> String? {
        guard let itsKind = try CursorRegistry.read(disk, of: directory).registry?.kind, itsKind != kind,
            try !FoundSegments(disk, in: "\(directory)/segments").segments.isEmpty
        else { return nil }
        return Self.mistake(itsKind, for: kind)
    }

    /// The registry, or what the cursors' files say of it.
    var knownRegistry: CursorRegistry {
        if let registry = self.registry.registry { return registry }
        var registry = CursorRegistry(log: self.log, kind: self.kind)
        if self.isNew { return registry }
        if self.hasOlderSlots { registry.version = 2 }
        registry.isIncomplete = self.isRegistryLost
        for name in self.cursors.keys.sorted() where !self.copies.contains(name) {
            registry.put(CursorRegistry.Entry(name: name, routes: [RouteID(name: CursorSet.route(of: name))]))
        }
        return registry
    }

    /// Ids of new events begin with something new from now on: numbers may have been given that nobody knows of. Counts once it is saved.
    mutating func renewOrigin(chance: any ChanceSource) {
        var generator = chance.generator
        var registry = self.knownRegistry
        registry.origin = SpoolID.random(using: &generator)
        (self.registry.registry, self.registry.isWhole) = (registry, false)
    }

    /// Where sequences go on behind a newest segment that is lost: at no place where they did behind one that was lost before, and may be
    /// had back. Counts once it is saved.
    ///
    /// - Parameter outcome: without that place.
    mutating func begin(behind outcome: SpoolRecovery.Outcome) -> UInt64 {
        // It is the same loss.
        if let begun = self.begun(behind: outcome) { return begun }
        var registry = self.knownRegistry
        let before = registry.begun?.sequence
        let sequence = max(outcome.given, before ?? 0) + SpoolFormat.gap
        registry.begun = CursorRegistry.Begun(sequence: sequence, segment: outcome.nextNumber)
        // What was given up while that one was away was given up to where the next event comes.
        for (name, place) in registry.forgotten where place == before { registry.forgotten[name] = sequence }
        (self.registry.registry, self.registry.isWhole) = (registry, false)
        return sequence
    }

    /// Durably; in a spool, if there is room. Where there is none the next segment says the same, and until there is one a start finds the
    /// same loss. A side log goes on without what is lost, so it is to be known first.
    mutating func save(_ disk: any Disk, to directory: String, _ budget: SpoolBudget) throws(ForebayError) {
        guard !self.registry.isWhole, var registry = self.registry.registry else { return }
        do throws(ForebayError) {
            try budget.withReserve { () throws(ForebayError) in try registry.write(disk, to: directory) }
        } catch {
            guard error.code == .spoolFull, self.kind == .spool else { throw error }
            return
        }
        (self.registry.registry, self.registry.isWhole) = (registry, true)
    }

    /// The same, if an earlier start found it, and no segment was begun since.
    func begun(behind outcome: SpoolRecovery.Outcome) -> UInt64? {
        guard let begun = self.registry.registry?.begun, begun.segment > outcome.newest, begun.sequence > outcome.given else {
            return nil
        }
        return begun.sequence
    }

    /// The sequences below which something beside the segments says that all was durable.
    var marks: [UInt64] {
        var marks = self.cursors.values.compactMap { $0.value?.sequence }
        // Where sequences went on behind a lost segment nothing need have been: what is given up while it is away is given up to there.
        marks += self.registry.registry?.forgotten.values.filter { $0 != self.registry.registry?.begun?.sequence } ?? []
        if let mark = self.mark?.value { marks += [mark.sequence, mark.ordinal] }
        if self.knownEnd > 0 { marks.append(self.knownEnd) }
        // A number that no log comes to is no evidence: going on from there, the log would end where numbers do.
        return marks.filter { $0 < SpoolFormat.highestMark / 2 }
    }

    /// What lay below it was removed because nobody needed it, as the mark says.
    var released: UInt64 {
        guard let released = self.mark?.value?.ordinal, released < SpoolFormat.highestMark / 2 else { return 0 }
        return released
    }

    /// The same, by all that says so.
    var letGo: UInt64 { max(self.released, self.kind == .spool ? self.lowestCursor : 0) }

    /// Where the cursor stands that is furthest back.
    var lowestCursor: UInt64 {
        let names = Set(self.cursors.keys).union(self.registry.registry?.cursors.map(\.name) ?? [])
        return names.map { self.cursors[$0]?.value?.sequence ?? 0 }.min() ?? 0
    }

    /// Nobody comes to what lies below it any more, nor takes a file up that had it. In a set-aside log, though, one that is put back later
    /// must be known for one that was missed.
    var passed: UInt64 {
        switch self.kind {
        case .spool: min(self.released, self.lowestCursor)
        case .setAside: 0
        default: self.released
        }
    }

    /// Who has settled what, by the cursors' files.
    var parties: [LossCount.Party] {
        let registry = self.knownRegistry
        var parties = registry.cursors.map { entry in
            let value = self.cursors[entry.name]?.value
            return LossCount.Party(
                stage: CursorSet.stage(of: entry.name), routes: entry.routes, sequence: value?.sequence ?? 0,
                ordinal: self.isVersion1 || entry.routes.count > 1 || value?.owner != SpoolCursor.owner(entry.name) ? nil : value?.ordinal)
        }
        if !self.isRegistryLost { parties += registry.givenUp }
        return parties
    }

    /// The version of the format is the present one, in every file, and no cursor is missed.
    var isUpToDate: Bool { self.registry.isWhole && self.registry.registry?.hasKinds ?? false && !self.isRegistryLost }

    private static func newestSlot(_ disk: any Disk, _ path: String, as kind: Slot.Kind) throws(ForebayError) -> Slot? {
        guard try disk.kind(of: path) == .file else { return nil }
        let bytes = try disk.open(path, []).bytesTolerant(at: 0, count: SlotFile.size)
        return bytes.withUnsafeBytes { bytes in
            [0, SpoolFormat.block].compactMap { place -> Slot? in
                bytes.count >= place + Slot.size ? Slot(decoding: bytes.part(place, Slot.size), as: kind) : nil
            }.max { $0.generation < $1.generation }
        }
    }

    static func path(ofCursor name: String, in directory: String) -> String {
        "\(directory)/cursors/" + name.split(separator: "/", maxSplits: 1).joined(separator: ".")
    }

    static func cursorName(ofFile file: String) -> String {
        file.split(separator: ".", maxSplits: 1).joined(separator: "/")
    }
}
