import ForebayCore
import Synchronization

/// The file's size follows what is in it.
extension UnitTable {
    /// Whether it is worth a new segment to be rid of the newest.
    enum Leaving {
        case not
        /// All of it goes.
        case whole
        /// So many units in it are over that those still to come must not hold their pairs, too.
        case inPart
    }

    /// Bytes for which a segment is left: more than the least that another one takes.
    static let worthLeaving = 256 << 10

    func leaving(_ newest: SegmentInfo, segmentSize: Int) -> Leaving {
        guard newest.base < newest.end, !newest.isHusk else { return .not }
        let held = self.bytesHeld(by: newest), data = newest.dataEnd - newest.header.dataStart
        if held + data >= Self.worthLeaving, !self.needs(newest) { return .whole }
        return held >= max(2 * Self.worthLeaving, segmentSize) ? .inPart : .not
    }

    /// Gives back what free pairs take, if they are many: what stands behind free ones goes to their place, and the file is cut. Waits for
    /// the disk; what that does not take is left for the next time.
    ///
    /// Until the file is cut a unit stands in two pairs, and a start takes the one that is further. Its old pair may be written over only
    /// when the new one is durable.
    func shrink() throws(ForebayError) {
        guard self.state.withLock({ $0.pairs.isWorthCutting }) else { return }
        let outcome = self.placing.withLock { _ in
            Result { () throws(ForebayError) in
                try self.moveDown()
                try self.cut()
            }
        }
        try outcome.get()
    }

    private func moveDown() throws(ForebayError) {
        let numbers = self.state.withLock { state in state.entries.values.sorted { $0.pair > $1.pair }.map(\.unit.number) }
        var left: [UnitPairs.Place] = []
        do throws(ForebayError) {
            for number in numbers {
                guard let place = try self.move(number) else { break }
                left.append(place)
            }
        } catch {
            // Room comes back; a sector that takes nothing is not tried again before the next start.
        }
        guard !left.isEmpty else { return }
        try self.file.sync()
        self.state.withLock { $0.pairs.give(back: left) }
    }

    /// - Returns: where it stood; none: no free pair stands before it, or it can't be written now.
    private func move(_ number: UInt64) throws(ForebayError) -> UnitPairs.Place? {
        try self.state.withLock { state in
            Result { () throws(ForebayError) -> UnitPairs.Place? in
                guard let entry = state.entries[number], !state.unwritten.contains(number),
                    let place = state.pairs.takeFree(before: entry.pair)
                else { return nil }
                var moved = entry
                (moved.pair, moved.generation) = (place.pair, max(entry.generation, place.generation))
                do throws(ForebayError) {
                    try moved.writeWhole(self.file, self.log)
                } catch {
                    if error.code == .spoolFull { state.pairs.give(back: [place]) }
                    throw error
                }
                moved.generation += 2
                state.entries[number] = moved
                return (entry.pair, entry.generation)
            }
        }.get()
    }

    private func cut() throws(ForebayError) {
        let (count, end) = self.state.withLock { ($0.pairs.count, $0.pairs.end) }
        guard end < count else { return }
        do throws(ForebayError) { try self.file.truncate(to: end * UnitPair.size) } catch { return }
        try self.file.sync()
        self.state.withLock { $0.pairs.cut(to: end) }
    }
}
