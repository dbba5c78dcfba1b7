import ForebayCore
/// A file of a ``SimulatedDisk``: what programs see of it, and what would be left after a power cut.
///
/// A sync makes all changes durable. Without one, after a cut, each sector holds any of its contents since the last sync (a write reaches
/// the device sector by sector, in any order), and the size is any of those it had, in the order it had them: sizes go through the file
/// system's journal, in ext4 as in xfs. Where the size grew and the data is not there, zeros are read: neither shows stale blocks.
final class SimulatedInode {
    enum Change {
        case write(at: Int, bytes: [UInt8], isSynced: Bool)
        case size(Int, isSynced: Bool)
    }

    static let sector = 512
    static let block = 4096

    let number: Int
    /// What reads see.
    private(set) var cache: [UInt8] = []
    /// What is on stable storage for sure.
    private(set) var device: [UInt8] = []
    /// Since the last sync.
    private var pending: [Change] = []
    /// Sectors that the cache holds as clean though their write failed: the device has something else.
    private(set) var lost: Set<Int> = []
    /// Sectors that can't be read or written any more.
    var bad: Set<Int> = []
    var links = 0
    var opens = 0

    init(number: Int) { self.number = number }

    /// After a power cut, or made by hand.
    init(number: Int, content: [UInt8], bad: Set<Int> = []) {
        self.number = number
        self.cache = content
        self.device = content
        self.bad = bad
    }

    var size: Int { self.cache.count }

    var allocated: Int { Self.allocated(self.size) }

    static func allocated(_ size: Int) -> Int { (size + Self.block - 1) / Self.block * Self.block }

    static func sectors(_ position: Int, _ count: Int) -> Range<Int> {
        count == 0 ? 0..<0 : position / Self.sector..<(position + count - 1) / Self.sector + 1
    }

    // MARK: Changes

    /// - Parameter isSynced: durable on return, whatever else is not.
    func write(_ bytes: UnsafeRawBufferPointer, at position: Int, isSynced: Bool) {
        guard bytes.count > 0 else { return }
        let end = position + bytes.count
        Self.put(bytes, at: position, in: &self.cache)
        if !self.lost.isEmpty { self.lost.subtract(Self.sectors(position, bytes.count)) }
        if isSynced, self.pending.isEmpty {
            Self.put(bytes, at: position, in: &self.device)
        } else {
            self.pending.append(.write(at: position, bytes: Array(bytes), isSynced: isSynced))
            if end >= self.cache.count { self.pending.append(.size(self.cache.count, isSynced: isSynced)) }
        }
    }

    func truncate(to size: Int) {
        guard size != self.cache.count else { return }
        self.resize(&self.cache, to: size)
        if !self.lost.isEmpty { self.lost = self.lost.filter { $0 * Self.sector < size } }
        self.pending.append(.size(size, isSynced: false))
    }

    func sync() {
        guard !self.pending.isEmpty else { return }
        for change in self.pending {
            switch change {
            case .write(let position, let bytes, _): bytes.withUnsafeBytes { Self.put($0, at: position, in: &self.device) }
            case .size(let size, _): self.resize(&self.device, to: size)
            }
        }
        self.pending.removeAll(keepingCapacity: true)
    }

    /// A sync that fails as Linux does it: some of it reached the device, the rest is held to be clean, and the next sync says that all is
    /// well.
    func loseUnsynced(_ chance: inout SplitMix) {
        self.device = self.image(&chance)
        self.pending = []
        self.resize(&self.device, to: self.cache.count)
        for sector in Self.sectors(0, self.cache.count) where !self.isSame(sector) { self.lost.insert(sector) }
    }

    /// Clean pages leave the cache; what comes back is the device's.
    func dropCache() {
        for sector in self.lost {
            let range = self.range(sector)
            self.cache.replaceSubrange(range, with: self.device[range])
        }
        self.lost = []
    }

    func flip(bit: Int, at position: Int) {
        self.cache[position] ^= 1 << UInt8(bit)
        if position < self.device.count { self.device[position] ^= 1 << UInt8(bit) }
    }

    // MARK: Reading

    func read(into buffer: UnsafeMutableRawBufferPointer, at position: Int, isDirect: Bool) -> Int {
        let count = max(0, min(buffer.count, self.cache.count - position))
        guard count > 0 else { return 0 }
        self.cache.withUnsafeBytes {
            buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[position..<position + count]))
        }
        if isDirect, !self.lost.isEmpty {
            for sector in Self.sectors(position, count) where self.lost.contains(sector) {
                for byte in self.range(sector).clamped(to: position..<position + count) { buffer[byte - position] = self.device[byte] }
            }
        }
        return count
    }

    // MARK: A power cut

    /// One of the contents that a power cut may leave.
    func image(_ chance: inout SplitMix) -> [UInt8] {
        guard !self.pending.isEmpty else { return self.device }
        // How much reaches the device is the whole cut's, not each sector's: now and then nothing, or all of it, or all but one sector.
        let share = [0, 10, 50, 90, 100, 100, 100].randomElement(using: &chance)!
        var versions: [Int: (count: Int, least: Int)] = [:]
        var sizes = (count: 0, least: 0)
        for change in self.pending {
            switch change {
            case .write(let position, let bytes, let isSynced):
                for sector in Self.sectors(position, bytes.count) {
                    versions[sector, default: (0, 0)].count += 1
                    if isSynced { versions[sector]!.least = versions[sector]!.count }
                }
            case .size(_, let isSynced):
                sizes.count += 1
                if isSynced { sizes.least = sizes.count }
            }
        }
        func choice(_ range: (count: Int, least: Int)) -> Int {
            if Int.random(in: 0..<100, using: &chance) < share { return range.count }
            return Bool.random(using: &chance) ? range.least : Int.random(in: range.least...range.count, using: &chance)
        }
        let sizesKept = choice(sizes)
        var kept: [Int: Int] = [:]
        let sectors = versions.keys.sorted()
        for sector in sectors { kept[sector] = choice(versions[sector]!) }
        if share == 100, Int.random(in: 0..<3, using: &chance) > 0, let one = sectors.randomElement(using: &chance) {
            kept[one] = versions[one]!.least
        }
        return self.replayed(kept, sizesKept)
    }

    private func replayed(_ kept: [Int: Int], _ sizesKept: Int) -> [UInt8] {
        var image = self.device
        var size = self.device.count
        var seen: [Int: Int] = [:]
        var sizesSeen = 0
        for change in self.pending {
            switch change {
            case .write(let position, let bytes, _):
                for sector in Self.sectors(position, bytes.count) {
                    seen[sector, default: 0] += 1
                    guard seen[sector]! <= kept[sector]! else { continue }
                    let range = (sector * Self.sector..<(sector + 1) * Self.sector).clamped(to: position..<position + bytes.count)
                    bytes.withUnsafeBytes {
                        Self.put(
                            UnsafeRawBufferPointer(rebasing: $0[range.lowerBound - position..<range.upperBound - position]),
                            at: range.lowerBound, in: &image)
                    }
                }
            case .size(let newSize, _):
                sizesSeen += 1
                guard sizesSeen <= sizesKept else { continue }
                if newSize < size { self.resize(&image, to: min(image.count, newSize)) }
                size = newSize
            }
        }
        self.resize(&image, to: size)
        return image
    }

    // MARK: Tools

    private func range(_ sector: Int) -> Range<Int> {
        let start = min(sector * Self.sector, self.cache.count)
        return start..<min(start + Self.sector, self.cache.count)
    }

    private func isSame(_ sector: Int) -> Bool {
        let range = self.range(sector)
        return self.cache[range] == self.device[range]
    }

    private static func put(_ bytes: UnsafeRawBufferPointer, at position: Int, in target: inout [UInt8]) {
        let end = position + bytes.count
        Self.grow(&target, to: end)
        target.withUnsafeMutableBytes {
            $0.baseAddress!.advanced(by: position).copyMemory(from: bytes.baseAddress!, byteCount: bytes.count)
        }
    }

    private func resize(_ bytes: inout [UInt8], to size: Int) {
        if size < bytes.count {
            bytes.removeLast(bytes.count - size)
        } else {
            Self.grow(&bytes, to: size)
        }
    }

    private static let zeros = [UInt8](repeating: 0, count: 64 << 10)

    /// With zeros. Copied, for without optimization nothing else is quick.
    private static func grow(_ bytes: inout [UInt8], to size: Int) {
        while bytes.count < size { bytes.append(contentsOf: Self.zeros[..<min(Self.zeros.count, size - bytes.count)]) }
    }
}
