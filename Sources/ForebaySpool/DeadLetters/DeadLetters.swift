package import ForebayCore
import Synchronization

/// One dead letter as it is listed.
package struct DeadLetterEntry: Sendable {
    /// Its place in the log: what `after` and `show` take.
    package let sequence: UInt64
    package let topic: String
    package let code: String
    package let reason: String
    package let eventID: String
    /// Where the event lay in the spool.
    package let offset: UInt64
    /// When it was set aside, ms since 1970.
    package let at: Int64
    package let timestamp: Int64
    package let partition: Int32?
    package let key: [UInt8]?
    /// None: a tombstone.
    package let value: [UInt8]?
    /// The producer's headers.
    package let headers: [(name: String, value: [UInt8]?)]
}

/// The dead letters of one route: a log of the spool's format in a folder of its own, made when the first one comes.
///
/// It lives on a thread that may wait for the disk: opening and listing do.
///
/// An entry is the original event (key, value, headers, timestamp as they came) with its id written out and three headers added.
package actor DeadLetters: DeadLetterLog {
    private enum Header {
        static let code = "forebay-dead-letter-code"
        static let reason = "forebay-dead-letter-reason"
        static let offset = "forebay-dead-letter-offset"
        static let all = [code, reason, offset]
    }

    package nonisolated let route: String
    private let directory: String
    private let executor: any SerialExecutor
    package nonisolated var unownedExecutor: UnownedSerialExecutor { self.executor.asUnownedSerialExecutor() }
    private let open: @Sendable (String) throws(ForebayError) -> Spool
    private let held = Atomic<UInt64>(0)
    private let bytes = Atomic<Int>(0)
    private let opened = Mutex<Spool?>(nil)
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
        self.executor = threads.wait.executor()
        self.open = open
        if try !Folder(disk).entries(directory).isEmpty {
            let spool = try open(directory)
            self.opened.withLock { $0 = spool }
            self.held.store(spool.sequenceCount, ordering: .relaxed)
            self.bytes.store(spool.byteCount, ordering: .relaxed)
        }
    }

    /// Entries in the log.
    package nonisolated var count: UInt64 { self.held.load(ordering: .relaxed) }

    /// Bytes of the files.
    package nonisolated var byteCount: Int { self.bytes.load(ordering: .relaxed) }

    package func append(_ letters: [DeadLetter]) async throws(ForebayError) -> [UInt64] {
        let spool: Spool
        if let opened = self.spool {
            spool = opened
        } else {
            guard !self.isClosed else { throw .closed }
            spool = try self.open(self.directory)
            self.opened.withLock { $0 = spool }
        }
        var builder = BatchBuilder()
        for letter in letters { Self.append(letter, to: &builder) }
        guard
            let batch = builder.finish(route: RouteID(name: self.route), acceptedAt: spool.configuration.surroundings.time.wallMilliseconds)
        else { return [] }
        let receipts = try await spool.commit([Submission(batches: [batch], ack: AckToken { _ in })])
        self.held.wrappingAdd(UInt64(letters.count), ordering: .relaxed)
        self.bytes.store(spool.byteCount, ordering: .relaxed)
        let first = receipts[0].firstSequences[0]
        return letters.indices.map { first + UInt64($0) }
    }

    /// Entries behind `after` (none: from the first), at most `limit`.
    package func list(after: UInt64?, limit: Int) throws(ForebayError) -> [DeadLetterEntry] {
        guard let spool = self.spool, let first = Self.first(after, from: spool.start) else { return [] }
        return try Self.list(spool.reader(route: nil, from: first), limit: limit)
    }

    /// The sequence behind `after`, which comes from outside; none if there can't be any.
    private static func first(_ after: UInt64?, from start: UInt64) -> UInt64? {
        guard let after else { return start }
        let (next, isBeyond) = after.addingReportingOverflow(1)
        return isBeyond ? nil : next
    }

    /// See ``Spool/fault``.
    package nonisolated var fault: String? { self.spool?.fault }

    package nonisolated var damage: SpoolDamage { self.spool?.damage ?? SpoolDamage() }

    package func acknowledgeAlarms() async throws(ForebayError) -> SpoolDamage {
        try await self.spool?.acknowledgeAlarms() ?? SpoolDamage()
    }

    package nonisolated var witness: LogWitness? { self.spool?.witness }

    /// Nothing can be appended afterwards.
    ///
    /// - Returns: whether it holds nothing.
    @discardableResult package func close() async -> Bool {
        self.isClosed = true
        let spool = self.opened.withLock { opened in
            defer { opened = nil }
            return opened
        }
        guard let spool else { return true }
        await spool.close()
        return spool.sequenceCount == 0
    }

    private nonisolated var spool: Spool? { self.opened.withLock { $0 } }

    static func list(_ reader: SpoolReader, limit: Int) throws(ForebayError) -> [DeadLetterEntry] {
        var entries: [DeadLetterEntry] = []
        while entries.count < limit {
            let batches = try reader.read(upTo: 64 << 10)
            if batches.isEmpty, reader.isCaughtUp { break }
            for batch in batches {
                batch.forEachEvent { event, sequence in
                    if entries.count < limit { entries.append(Self.entry(event, sequence, at: batch.acceptedAt)) }
                }
            }
        }
        return entries
    }

    /// The same from outside, for a node that is down: takes no lock.
    ///
    /// - Parameter directory: of one route's log.
    /// - Throws: `spool_unreadable` if there is no log in the folder.
    package static func list(
        directory: String, after: UInt64?, limit: Int, disk: any Disk = SystemDisk()
    ) throws(ForebayError) -> [DeadLetterEntry] {
        var entries: [DeadLetterEntry] = []
        guard let first = Self.first(after, from: 0) else { return [] }
        try SpoolInspection(directory: directory, disk: disk).batches(from: first) { batch in
            batch.forEachEvent { event, sequence in
                if sequence >= first, entries.count < limit { entries.append(Self.entry(event, sequence, at: batch.acceptedAt)) }
            }
            return entries.count < limit
        }
        return entries
    }

    private static func append(_ letter: DeadLetter, to builder: inout BatchBuilder) {
        letter.record.withUnsafeBytes { record in
            guard let event = Event(at: record) else { return }
            var headers = Array(event.headers)
            for (name, value) in [
                (Header.code, letter.code), (Header.reason, letter.reason), (Header.offset, String(letter.offset.number)),
            ] {
                headers.append(header: name.utf8, value: value.utf8.prefix(4096))
            }
            let id = Array(letter.eventID.utf8.prefix(255))
            id.withUnsafeBytes { id in
                headers.withUnsafeBytes { headers in
                    var fields = EventFields(topic: event.topic, value: event.value, timestamp: event.timestamp)
                    fields.key = event.key
                    fields.partition = event.partition
                    fields.id = id
                    fields.headers = headers
                    builder.append(fields)
                }
            }
        }
    }

    private static func entry(_ event: Event, _ sequence: UInt64, at: Int64) -> DeadLetterEntry {
        var added: [String: String] = [:]
        var headers: [(name: String, value: [UInt8]?)] = []
        event.forEachHeader { name, value in
            let name = String(decoding: name, as: UTF8.self)
            if Header.all.contains(name) {
                added[name] = value.map { String(decoding: $0, as: UTF8.self) }
            } else {
                headers.append((name, value.map(Array.init)))
            }
        }
        return DeadLetterEntry(
            sequence: sequence, topic: String(decoding: event.topic, as: UTF8.self), code: added[Header.code] ?? "",
            reason: added[Header.reason] ?? "", eventID: String(decoding: event.id, as: UTF8.self),
            offset: UInt64(added[Header.offset] ?? "") ?? 0, at: at, timestamp: event.timestamp, partition: event.partition,
            key: event.key.map(Array.init), value: event.value.map(Array.init), headers: headers)
    }
}
