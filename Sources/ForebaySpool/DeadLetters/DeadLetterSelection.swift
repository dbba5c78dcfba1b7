package import ForebayCore

/// What decides whether a dead letter is meant: without its event.
package struct DeadLetterHead: Sendable, Equatable {
    package let sequence: UInt64
    package let topic: String
    package let code: String
    package let eventID: String
    /// When it was given up, ms since 1970.
    package let at: Int64

    init(_ event: Event, _ sequence: UInt64, at: Int64) {
        var code = ""
        event.forEachHeader { name, value in
            if code.isEmpty, name.elementsEqual(DeadLetterHeader.code.utf8), let value { code = String(decoding: value, as: UTF8.self) }
        }
        self.sequence = sequence
        self.topic = String(decoding: event.topic, as: UTF8.self)
        self.code = code
        self.eventID = String(decoding: event.id, as: UTF8.self)
        self.at = at
    }
}

/// A piece of a pass over a dead-letter log.
package struct SelectedLetters: Sendable {
    /// Those that are meant, in their order.
    package internal(set) var heads: [DeadLetterHead] = []
    /// Their events as they are sent once more, where these were asked for.
    package internal(set) var records: [[UInt8]] = []
    /// Where the next piece begins; none: there are no more.
    package internal(set) var next: UInt64?
    fileprivate var bytes = 0
    fileprivate var isFull = false

    /// In ranges, ascending.
    package var sequences: [Range<UInt64>] {
        var ranges: [Range<UInt64>] = []
        for head in self.heads {
            if let last = ranges.last, last.upperBound == head.sequence {
                ranges[ranges.count - 1] = last.lowerBound..<head.sequence &+ 1
            } else {
                ranges.append(head.sequence..<head.sequence &+ 1)
            }
        }
        return ranges
    }
}

/// Which letters are meant, and how much of them at once.
package struct LetterPass: Sendable {
    /// From here on.
    package var from: UInt64 = 0
    /// Below here.
    package var end: UInt64 = .max
    package var limit = 1000
    /// Of events.
    package var bytes = 1 << 20
    /// Their events are wanted, as they are sent once more: with this time of the replay.
    package var replayedAt: String?
    package var matches: @Sendable (DeadLetterHead) -> Bool

    package init(matches: @escaping @Sendable (DeadLetterHead) -> Bool) { self.matches = matches }

    fileprivate func take(_ batch: Batch, into found: inout SelectedLetters, isRemoved: (UInt64) -> Bool) {
        batch.forEachEvent { event, sequence in
            guard !found.isFull, sequence >= self.from, sequence < self.end, !isRemoved(sequence) else { return }
            let head = DeadLetterHead(event, sequence, at: batch.acceptedAt)
            guard self.matches(head) else { return }
            guard found.heads.count < self.limit, found.bytes < self.bytes else {
                (found.isFull, found.next) = (true, sequence)
                return
            }
            found.heads.append(head)
            found.bytes += event.record.count
            if let replayedAt { found.records.append(event.record(replayedAt: replayedAt)) }
        }
    }
}

extension DeadLetters {
    /// Bytes of events that one call looks at, about: others wait for the thread.
    private static let work = 4 << 20

    /// A piece of the letters that are meant, of bounded work.
    package func select(_ pass: LetterPass) async throws(ForebayError) -> SelectedLetters {
        let found = try await self.reading { (spool, removed) throws(ForebayError) in try Self.select(pass, spool, removed) }
        if found == nil { try self.requireOpen() }
        return found ?? SelectedLetters()
    }

    private static func select(_ pass: LetterPass, _ spool: Spool, _ removed: RemovedLetters) throws(ForebayError) -> SelectedLetters {
        var found = SelectedLetters()
        let reader = spool.reader(route: nil, from: removed.next(from: max(pass.from, spool.start)))
        var work = 0
        while work < Self.work {
            let batches = try reader.read(upTo: 64 << 10)
            if batches.isEmpty, reader.isCaughtUp { return found }
            for batch in batches {
                work += batch.byteCount
                pass.take(batch, into: &found) { removed.contains($0) }
                if found.isFull { return found }
                if batch.end >= pass.end { return found }
            }
            if batches.isEmpty { work += Self.work / 8 }
        }
        found.next = reader.next
        return found
    }

    /// The same from outside, for a node that is down: takes no lock. All that are meant at once, without their events.
    ///
    /// - Parameters:
    ///   - directory: of one route's log.
    ///   - places: ranges that don't overlap, in which those that can't be read are counted.
    /// - Returns: how many of these there are.
    package static func select(
        directory: String, unreadableIn places: [Range<UInt64>] = [], disk: any Disk = SystemDisk(),
        _ matches: @escaping @Sendable (DeadLetterHead) -> Bool, _ body: (DeadLetterHead) -> Void
    ) throws(ForebayError) -> UInt64 {
        let inspection = try SpoolInspection(directory: directory, disk: disk)
        let removed = try inspection.removedLetters()
        var read: UInt64 = 0
        try inspection.batches(from: removed.next(from: 0)) { batch in
            batch.forEachEvent { event, sequence in
                guard !removed.contains(sequence) else { return }
                if places.contains(where: { $0.contains(sequence) }) { read += 1 }
                let head = DeadLetterHead(event, sequence, at: batch.acceptedAt)
                if matches(head) { body(head) }
            }
            return true
        }
        let count = try inspection.letterCount(in: places)
        return count - min(read, count)
    }

    /// How many letters there are, those that can't be read among them, from outside.
    ///
    /// - Parameter directory: of one route's log.
    package static func count(directory: String, disk: any Disk = SystemDisk()) throws(ForebayError) -> UInt64 {
        try SpoolInspection(directory: directory, disk: disk).letterCount()
    }
}

extension DeadLetterEntry {
    /// A Kafka header of an event that was a dead letter and is sent once more: when that was asked for, RFC 3339 in UTC.
    package static let replayedHeader = "forebay-replayed-at"
}

extension Event {
    /// The record of a dead letter as it is sent once more: the event as it came, its id, and the time of the replay in a header; that of
    /// an earlier one is replaced.
    fileprivate func record(replayedAt time: String) -> [UInt8] {
        var headers: [UInt8] = []
        let own = DeadLetterHeader.all + [DeadLetterEntry.replayedHeader]
        self.forEachHeader { name, value in
            guard !own.contains(where: { name.elementsEqual($0.utf8) }) else { return }
            headers.append(header: name, value: value ?? UnsafeRawBufferPointer(start: nil, count: 0))
            guard value == nil else { return }
            for place in 1...4 { headers[headers.count - place] = 0xFF }  // A null one.
        }
        headers.append(header: DeadLetterEntry.replayedHeader.utf8, value: time.utf8)
        var builder = BatchBuilder(initialCapacity: self.record.count + headers.count + 64)
        headers.withUnsafeBytes { headers in
            var fields = EventFields(topic: self.topic, value: self.value, timestamp: self.timestamp)
            (fields.key, fields.partition, fields.id, fields.headers) = (self.key, self.partition, self.id, headers)
            builder.append(fields)
        }
        return builder.finish(route: RouteID(rawValue: 0), acceptedAt: 0)?.withUnsafeBytes { Array($0) } ?? []
    }
}
