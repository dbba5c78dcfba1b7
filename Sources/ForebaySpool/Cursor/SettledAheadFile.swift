import ForebayCore
import Glibc

/// How `ahead/CURSOR` lies on disk: what is settled beyond a cursor that an older event holds.
///
///     0   u32  magic "FBYA"
///     4   u32  CRC32C of all that follows
///     8   16 B id of the log
///     24  u64  owner: a hash of the cursor's name
///     32  u64  sent below: events below it, in no range, may have been delivered
///     40  u32  flags: 1 final, the process ended in order and has sent nothing since
///     44  u32  number of routes
///     48  u32  number of witnesses
///     52  u32  number of ranges, at most 65,536
///     56  u64  for each route its hash
///     …   16 B + u64 + u64  for each witness the id of a side log, a sequence below which that held everything, and how often something
///                     of it had been found lost or damaged
///     …   u64 + u64  for each range its first sequence and one past its last
///
/// It is replaced whole, by a rename. What it says stays true for ever, so an older one does no harm; one that is gone, damaged, another
/// cursor's, of other routes, or beyond the end of the log says nothing, and events are delivered again. Where it stands on a log that
/// does not hold as much any more, or that was found damaged, it is taken back before anything is read.
struct SettledAheadFile {
    static let magic: UInt32 = 0x4159_4246
    static let rangeLimit = 65_536
    private static let fixed = 56, witness = 32
    /// No more than this is read: what is larger is none of ours.
    private static let sizeLimit = 2 << 20

    let disk: any Disk
    let directory: String
    let log: SpoolID
    let name: String
    let routes: [RouteID]

    var path: String { Self.path(of: self.name, in: self.directory) }

    /// No cursor's: a route may be called `x.new`.
    private var newPath: String { self.path + "~" }

    static func folder(in directory: String) -> String { "\(directory)/ahead" }

    static func path(of name: String, in directory: String) -> String {
        "\(Self.folder(in: directory))/" + name.split(separator: "/", maxSplits: 1).joined(separator: ".")
    }

    /// Durable on return.
    func write(_ ahead: SpoolCursor.Ahead) throws(ForebayError) {
        let file = try self.disk.open(self.newPath, [.write, .create, .truncate])
        try file.write(self.encoded(ahead), at: 0)
        try file.sync()
        try Folder(self.disk).rename(self.newPath, to: self.path)
    }

    /// Fine if it is not there.
    func remove() throws(ForebayError) {
        guard try self.disk.kind(of: self.path) != nil else { return }
        try Folder(self.disk).putAsideUnlessFile(self.path, of: self.directory)
        try Folder(self.disk).remove(self.path)
    }

    /// - Returns: none: it is not there, or says nothing of this cursor.
    func read(end: UInt64) throws(ForebayError) -> SpoolCursor.Ahead? {
        guard try self.disk.kind(of: self.path) == .file else { return nil }
        let file = try self.disk.open(self.path, [])
        let bytes = try file.bytesTolerant(at: 0, count: min(try file.size(), Self.sizeLimit))
        guard let ahead = bytes.withUnsafeBytes({ self.decode($0) }), ahead.settled.end <= end else { return nil }
        return ahead
    }

    private func encoded(_ ahead: SpoolCursor.Ahead) -> [UInt8] {
        let settled = ahead.settled
        let count = Self.fixed + self.routes.count * 8 + settled.witnesses.count * Self.witness + settled.ranges.count * 16
        var bytes = [UInt8](repeating: 0, count: count)
        bytes.withUnsafeMutableBytes { bytes in
            let base = bytes.baseAddress!
            base.put(Self.magic, at: 0)
            self.log.write(to: base + 8)
            base.put(SpoolCursor.owner(self.name), at: 24)
            base.put(settled.sentBelow, at: 32)
            base.put(UInt32(ahead.isFinal ? 1 : 0), at: 40)
            base.put(UInt32(self.routes.count), at: 44)
            base.put(UInt32(settled.witnesses.count), at: 48)
            base.put(UInt32(settled.ranges.count), at: 52)
            var place = Self.fixed
            for route in self.routes {
                base.put(route.rawValue, at: place)
                place += 8
            }
            for witness in settled.witnesses {
                witness.log.write(to: base + place)
                base.put(witness.end, at: place + 16)
                base.put(witness.losses, at: place + 24)
                place += Self.witness
            }
            for range in settled.ranges {
                base.put(range.lowerBound, at: place)
                base.put(range.upperBound, at: place + 8)
                place += 16
            }
            base.put(SpoolFormat.crc(UnsafeRawBufferPointer(rebasing: bytes[8...])), at: 4)
        }
        return bytes
    }

    private func decode(_ bytes: UnsafeRawBufferPointer) -> SpoolCursor.Ahead? {
        guard bytes.count >= Self.fixed, bytes.number(0, as: UInt32.self) == Self.magic,
            bytes.number(4, as: UInt32.self) == SpoolFormat.crc(bytes.part(8, bytes.count - 8)),
            SpoolID(characters: bytes.part(8, SpoolID.length)) == self.log,
            bytes.number(24, as: UInt64.self) == SpoolCursor.owner(self.name)
        else { return nil }
        let counts = [44, 48, 52].map { Int(bytes.number($0, as: UInt32.self)) }
        guard bytes.count == Self.fixed + counts[0] * 8 + counts[1] * Self.witness + counts[2] * 16 else { return nil }
        let routes = (0..<counts[0]).map { RouteID(rawValue: bytes.number(Self.fixed + $0 * 8)) }
        guard routes == self.routes else { return nil }
        let witnesses = Self.fixed + counts[0] * 8, ranges = witnesses + counts[1] * Self.witness
        var found: [Range<UInt64>] = []
        for place in stride(from: ranges, to: bytes.count, by: 16) {
            let (first, end): (UInt64, UInt64) = (bytes.number(place), bytes.number(place + 8))
            guard first < end, first >= found.last?.upperBound ?? 0 else { return nil }
            found.append(first..<end)
        }
        let settled = SettledAhead(
            ranges: found, sentBelow: bytes.number(32),
            witnesses: stride(from: witnesses, to: ranges, by: Self.witness).map {
                LogWitness(
                    log: SpoolID(characters: bytes.part($0, SpoolID.length)), end: bytes.number($0 + 16), losses: bytes.number($0 + 24))
            })
        return SpoolCursor.Ahead(settled: settled, isFinal: bytes.number(40, as: UInt32.self) & 1 != 0)
    }
}
