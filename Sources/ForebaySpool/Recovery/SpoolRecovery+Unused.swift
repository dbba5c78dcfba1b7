import ForebayCore
import ForebayTelemetry

/// Segments that were begun and never used, and the one behind which nothing is: what a crash leaves is no loss.
extension SpoolRecovery {
    /// Whether a cursor, say, has passed more than the newest segment that is there had when it was sealed: that stood in one behind it,
    /// also where no mark is left to name it.
    func endsBelowMark(_ found: FoundSegments, _ identity: LogIdentity) throws(ForebayError) -> Bool {
        // Version 1 removed the newest one, too.
        guard !identity.isVersion1, let marked = identity.marks.max() else { return false }
        guard let last = found.segments.last else { return identity.mark?.value == nil && marked > 0 }
        guard last.header.version > 1, let footer = try self.footer(of: last) else { return false }
        return footer.end < marked
    }

    /// Removes newest segments that were never used.
    ///
    /// - Parameter lost: the number of the newest, if that is lost: it must stay known for the newest.
    /// - Returns: everything below it was durable when such a one was made.
    func dropUnused(_ found: inout FoundSegments, lost: UInt64, _ identity: LogIdentity) throws(ForebayError) -> UInt64 {
        let marked = identity.marks.max() ?? 0
        var durable: UInt64 = 0
        while found.segments.count > 1, let last = found.segments.last {
            let before = found.segments[found.segments.count - 2]
            let (file, itsFile) = (try self.disk.openFromDevice(last.path), try self.disk.open(before.path, []))
            guard try FoundSegments.isUnused((last.header, file), behind: (before.header, itsFile), marked: marked) else { break }
            durable = max(durable, last.header.knownEnd)
            try self.drop(last, from: &found, newest: max(before.header.number, lost), identity)
        }
        return durable
    }

    /// A newest segment without a frame that the mark does not know of, behind one that is gone or can't be read: that one may have gone on
    /// meanwhile, so it is the newest that is lost. None: there is no such one.
    func unusedBehindLost(_ found: FoundSegments, _ identity: LogIdentity) throws(ForebayError) -> FoundSegments.Segment? {
        guard let last = found.segments.last, last.header.version > 1, let newest = identity.mark?.value?.owner,
            newest < last.header.number, last.header.previousNumber > 0, last.header.knownEnd == last.header.base,
            !found.segments.contains(where: { $0.header.number == last.header.previousNumber }),
            try FoundSegments.isEmpty(last.header, self.disk.openFromDevice(last.path))
        else { return nil }
        return last
    }

    func drop(
        _ unused: FoundSegments.Segment, from found: inout FoundSegments, newest: UInt64, _ identity: LogIdentity
    ) throws(ForebayError) {
        self.logger.info("a segment that was never used is removed", ["file": unused.path])
        try self.takeOverMark(from: unused.header, to: newest, identity)
        try Folder(self.disk).remove(unused.path)
        found.drop(unused.header.number)
    }

    /// Before the newest goes it is the newest no more: else it would be missed. And what it says of the one before it is kept.
    private func takeOverMark(from last: SegmentHeader, to newest: UInt64, _ identity: LogIdentity) throws(ForebayError) {
        let path = "\(self.directory)/\(SpoolMark.file)"
        guard
            let found = try SlotFile.read(self.disk, path, as: .mark, log: identity.log, takesOlder: identity.hasOlderSlots),
            let said = found.value
        else { return }
        let value = SlotFile.Value(sequence: max(said.sequence, last.knownEnd), ordinal: said.ordinal, owner: newest)
        _ = try SlotFile.take(self.disk, path, of: self.directory, as: .mark, log: identity.log, found, value)
    }

    /// Of one that was sealed.
    private func footer(of segment: FoundSegments.Segment) throws(ForebayError) -> SegmentFooter? {
        let file = try self.disk.open(segment.path, [])
        return try SegmentFooter.read(from: file, size: try file.size(), salt: segment.header.salt, base: segment.header.base)
    }

    /// Those that the next one does not know of and have no frame were never used, but for one of which events were told of as lost.
    func dropUnknown(_ found: inout FoundSegments) throws(ForebayError) {
        var next: SegmentHeader?
        for segment in found.segments.reversed() {
            guard let behind = next, segment.header.isUnknown(to: behind) else {
                next = segment.header
                continue
            }
            if !self.reporter.isTold(segment.header.base, of: segment.header),
                try FoundSegments.isEmpty(segment.header, self.disk.openFromDevice(segment.path))
            {
                self.logger.info("a segment that was never used is removed", ["file": segment.path])
                try Folder(self.disk).remove(segment.path)
                found.drop(segment.header.number)
            } else {
                next = segment.header
            }
        }
    }
}
