package import ForebayCore
import Synchronization

/// The dead letters of one route: a log of the spool's format in a folder of its own, made when the first one comes.
///
/// It lives on a thread that may wait for the disk, as opening does. What reads it does so on another, which waits for a device that fails:
/// an append stands behind no list.
///
/// An entry is the original event (key, value, headers, timestamp as they came) with its id written out and three headers added
/// (``DeadLetterEntry``). One goes by command alone: ``remove(_:)``.
package actor DeadLetters: DeadLetterLog {
    private struct Store {
        let spool: Spool
        let removed: RemovedLetters

        init(_ spool: Spool) throws(ForebayError) {
            self.spool = spool
            do throws(ForebayError) {
                self.removed = try spool.openRemoved()
            } catch {
                spool.uncount()
                throw error
            }
        }
    }

    package nonisolated let route: String
    private let directory: String
    private let executor: any SerialExecutor
    private let reading: LetterReading
    package nonisolated var unownedExecutor: UnownedSerialExecutor { self.executor.asUnownedSerialExecutor() }
    private let open: @Sendable (String) throws(ForebayError) -> Spool
    private let held = Atomic<UInt64>(0)
    private let bytes = Atomic<Int>(0)
    private let opened = Mutex<Store?>(nil)
    private var isClosed = false

    /// - Parameters:
    ///   - directory: of this route's log.
    ///   - threads: those of its log.
    ///   - open: opens a side log in a folder.
    package init(
        route: String, directory: String, disk: any Disk = SystemDisk(), threads: SpoolThreads,
        open: @escaping @Sendable (String) throws(ForebayError) -> Spool
    ) throws(ForebayError) {
        self.route = route
        self.directory = directory
        self.executor = threads.letters.executor()
        self.reading = LetterReading(executor: threads.side.executor())
        self.open = open
        if try !Folder(disk).entries(directory).isEmpty {
            let store = try Store(open(directory))
            self.opened.withLock { $0 = store }
            self.count(store)
        }
    }

    /// Entries in the log that are not removed.
    package nonisolated var count: UInt64 { self.held.load(ordering: .relaxed) }

    /// Bytes of the files.
    package nonisolated var byteCount: Int { self.bytes.load(ordering: .relaxed) }

    package func append(_ letters: [DeadLetter]) async throws(ForebayError) -> [UInt64] {
        let store: Store
        if let opened = self.store {
            store = opened
        } else {
            guard !self.isClosed else { throw .closed }
            store = try Store(self.open(self.directory))
            self.opened.withLock { $0 = store }
        }
        let spool = store.spool
        try await spool.uncover(store.removed)
        var builder = BatchBuilder()
        for letter in letters { DeadLetterEntry.append(letter, to: &builder) }
        guard
            let batch = builder.finish(route: RouteID(name: self.route), acceptedAt: spool.configuration.surroundings.time.wallMilliseconds)
        else { return [] }
        let receipts = try await spool.commit([Submission(batches: [batch], ack: AckToken { _ in })])
        self.count(store)
        let first = receipts[0].firstSequences[0]
        return letters.indices.map { first + UInt64($0) }
    }

    private nonisolated func count(_ store: Store) {
        self.held.store(store.spool.letterCount(store.removed), ordering: .relaxed)
        self.bytes.store(store.spool.byteCount + store.removed.byteCount, ordering: .relaxed)
    }

    // MARK: Reading

    /// One past the last entry: what comes from now on stands there, or further on.
    package nonisolated var end: UInt64 { self.store?.spool.durableEnd ?? 0 }

    /// Entries behind `after` (none: from the first), at most `limit`.
    package func list(after: UInt64?, limit: Int) async throws(ForebayError) -> [DeadLetterEntry] {
        try await self.read(after: after, limit: limit, bytes: .max)
    }

    /// A piece of the list, of bounded work: others wait for the thread. It ends early behind `bytes` of events.
    ///
    /// - Returns: none of them: there are no more.
    package func read(after: UInt64?, limit: Int, bytes: Int) async throws(ForebayError) -> [DeadLetterEntry] {
        guard let store = self.store, let first = Self.first(after, from: store.spool.start) else { return [] }
        return try await self.reading.perform { () throws(ForebayError) in try Self.read(store, from: first, limit: limit, bytes: bytes) }
    }

    private static func read(_ store: Store, from first: UInt64, limit: Int, bytes: Int) throws(ForebayError) -> [DeadLetterEntry] {
        // What lies before the log's start went rightly, or was told of at the start: it is not to be told of once more.
        let next = store.removed.next(from: max(first, store.spool.start))
        let reader = store.spool.reader(route: nil, from: next)
        var entries: [DeadLetterEntry] = []
        var weight = 0
        while entries.count < limit, weight < bytes {
            let batches = try reader.read(upTo: 64 << 10)
            if batches.isEmpty, reader.isCaughtUp { break }
            for batch in batches {
                batch.forEachEvent { event, sequence in
                    guard entries.count < limit, weight < bytes, !store.removed.contains(sequence) else { return }
                    entries.append(DeadLetterEntry(event, sequence, at: batch.acceptedAt))
                    weight += event.record.count
                }
            }
        }
        return entries
    }

    /// The sequence behind `after`, which comes from outside; none if there can't be any.
    private static func first(_ after: UInt64?, from start: UInt64) -> UInt64? {
        guard let after else { return start }
        let (next, isBeyond) = after.addingReportingOverflow(1)
        return isBeyond ? nil : next
    }

    // MARK: Removing

    /// Whether entries can be removed, as far as that can be told before. To be asked before they are stored elsewhere.
    ///
    /// - Throws: `too_many_pieces`, `unavailable` once it is closed.
    package func checkRemoval(_ sequences: [Range<UInt64>]) throws(ForebayError) {
        guard let store = self.store else { return try self.requireOpen() }
        try store.spool.checkRemoval(sequences, store.removed)
    }

    /// Removes entries, durably on return. Those that are not there, or were removed before, are passed over.
    ///
    /// - Parameter areElsewhere: they are durable in another log. Where it can't be written now that they were removed, they are removed
    ///   all the same, and it is written as soon as it can be; only a kill before that shows them again.
    /// - Throws: `too_many_pieces`, `spool_full` with the reserve spent, `unavailable` once it is closed: nothing is removed then.
    package func remove(_ sequences: [Range<UInt64>], areElsewhere: Bool = false) async throws(ForebayError) {
        guard let store = self.store else { return try self.requireOpen() }
        guard !sequences.isEmpty else { return }
        try await store.spool.remove(sequences, store.removed, areElsewhere: areElsewhere)
        self.count(store)
    }

    /// Removes the oldest, so many that a file can go; durably on return.
    ///
    /// - Returns: how many; 0: no file can, the newest stays.
    package func removeOldest() async throws(ForebayError) -> UInt64 {
        guard let store = self.store else { return 0 }
        for segment in store.spool.view.read({ $0.segments.dropLast() }) {
            let entries = segment.base..<segment.end
            let count = store.spool.letterCount(store.removed, in: [entries])
            guard count > 0 else { continue }
            try await self.remove([entries])
            return count
        }
        return 0
    }

    /// Removes those of the entries that can't be read, as far as readers have met them; durably on return.
    ///
    /// - Parameter isDryRun: they are only counted.
    /// - Returns: how many.
    package func removeUnreadable(_ sequences: [Range<UInt64>], isDryRun: Bool = false) async throws(ForebayError) -> UInt64 {
        guard let store = self.store else {
            try self.requireOpen()
            return 0
        }
        let holes = store.spool.reporter.holes.flatMap { hole in sequences.map { hole.clamped(to: $0) }.filter { !$0.isEmpty } }
        let before = store.spool.letterCount(store.removed, in: holes)
        guard before > 0, !isDryRun else { return before }
        try await self.remove(holes)
        return before
    }

    func requireOpen() throws(ForebayError) {
        if self.isClosed { throw .closed }
    }

    /// See ``Spool/fault``.
    package nonisolated var fault: String? { self.store?.spool.fault }

    package nonisolated var damage: SpoolDamage { self.store?.spool.damage ?? SpoolDamage() }

    package func acknowledgeAlarms() async throws(ForebayError) -> SpoolDamage {
        try await self.store?.spool.acknowledgeAlarms() ?? SpoolDamage()
    }

    package nonisolated var witness: LogWitness? { self.store?.spool.witness }

    /// Nothing can be appended afterwards.
    ///
    /// - Returns: whether it holds nothing.
    @discardableResult package func close() async -> Bool {
        self.isClosed = true
        let store = self.opened.withLock { opened in
            defer { opened = nil }
            return opened
        }
        guard let store else { return true }
        await store.spool.close()
        return store.spool.letterCount(store.removed) == 0
    }

    private nonisolated var store: Store? { self.opened.withLock { $0 } }

    /// On the thread that reads side logs.
    ///
    /// - Returns: none: there is no log yet.
    func reading<Found: Sendable>(
        _ body: @Sendable (Spool, RemovedLetters) throws(ForebayError) -> Found
    ) async throws(ForebayError) -> Found? {
        guard let (spool, removed) = self.parts else { return nil }
        return try await self.reading.perform { () throws(ForebayError) in try body(spool, removed) }
    }

    nonisolated var parts: (spool: Spool, removed: RemovedLetters)? { self.store.map { ($0.spool, $0.removed) } }

    // MARK: From outside

    /// The same from outside, for a node that is down: takes no lock.
    ///
    /// - Parameter directory: of one route's log.
    /// - Throws: `spool_unreadable` if there is no log in the folder.
    package static func list(
        directory: String, after: UInt64?, limit: Int, disk: any Disk = SystemDisk()
    ) throws(ForebayError) -> [DeadLetterEntry] {
        var entries: [DeadLetterEntry] = []
        guard let first = Self.first(after, from: 0) else { return [] }
        let inspection = try SpoolInspection(directory: directory, disk: disk)
        let removed = try inspection.removedLetters()
        try inspection.batches(from: removed.next(from: first)) { batch in
            batch.forEachEvent { event, sequence in
                guard sequence >= first, entries.count < limit, !removed.contains(sequence) else { return }
                entries.append(DeadLetterEntry(event, sequence, at: batch.acceptedAt))
            }
            return entries.count < limit
        }
        return entries
    }
}

/// Where letters are read.
private actor LetterReading {
    private let executor: any SerialExecutor

    nonisolated var unownedExecutor: UnownedSerialExecutor { self.executor.asUnownedSerialExecutor() }

    init(executor: any SerialExecutor) { self.executor = executor }

    func perform<Found: Sendable>(_ read: @Sendable () throws(ForebayError) -> Found) throws(ForebayError) -> Found { try read() }
}

extension SpoolInspection {
    /// What was removed of a dead-letter log. Of one that is damaged the next start tells.
    func removedLetters() throws(ForebayError) -> RemovedLettersFile {
        guard let log = self.id else { return RemovedLettersFile() }
        return try RemovedLettersFile.read(self.disk, of: self.directory, log: log).file
    }

    /// Letters that are there, of those in some ranges that don't overlap.
    func letterCount(in ranges: [Range<UInt64>] = [0..<UInt64.max]) throws(ForebayError) -> UInt64 {
        let removed = try self.removedLetters()
        var count: UInt64 = 0
        for place in self.segments.indices where try !self.isHusk(at: place) {
            let segment = self.segments[place]
            for part in ranges.map({ $0.clamped(to: segment.base..<segment.end) }) where !part.isEmpty {
                count += part.upperBound - part.lowerBound - removed.count(in: part)
            }
        }
        return count
    }
}
