import ForebayTelemetry

/// What becomes of the events that producers post to one topic: worked out once, then asked per event.
final class TopicTarget {
    /// As producers call it.
    let name: String
    /// The index of its route in the configuration.
    let route: Int
    let key: JSONPath?
    let maximumEvent: Int
    /// The key of the configuration that says so, for people.
    let maximumEventKey: String
    let requiresJSON: Bool
    /// As it is stored and delivered; lives as long as this object.
    let storedName: UnsafeRawBufferPointer
    let hash: UInt64
    private let bytes: UnsafeMutableRawBufferPointer
    private let nameRange: Range<Int>

    /// Among those with unsettled events; none before its first event.
    var use: TopicUse?
    /// The place of this topic in the counts of the group with that number, see ``PendingGroup``.
    var countedGroup: UInt64 = 0
    var countPlace = 0
    /// Made when the first event was accepted, so that a name that nobody accepted makes no series.
    var accepted: Counter?

    init(name: UnsafeRawBufferPointer, hash: UInt64, route: Int, topic: IngestConfiguration.Topic?, maximumEvent: Int) {
        self.name = String(decoding: name, as: UTF8.self)
        self.hash = hash
        self.route = route
        self.key = topic?.key
        self.maximumEvent = min(maximumEvent, topic?.maximumEvent ?? maximumEvent)
        self.maximumEventKey = self.maximumEvent < maximumEvent ? "topics.\(self.name).max_event" : "limits.event"
        self.requiresJSON = topic?.valueIsJSON ?? false
        let stored = topic?.rename.map { Array($0.utf8) } ?? Array(name)
        self.bytes = .allocate(byteCount: stored.count + name.count, alignment: 1)
        self.bytes.copyBytes(from: stored)
        UnsafeMutableRawBufferPointer(rebasing: self.bytes[stored.count...]).copyMemory(from: name)
        self.storedName = UnsafeRawBufferPointer(rebasing: self.bytes[..<stored.count])
        self.nameRange = stored.count..<stored.count + name.count
    }

    deinit { self.bytes.deallocate() }

    @inline(__always)
    func isNamed(_ name: UnsafeRawBufferPointer, hash: UInt64) -> Bool {
        self.hash == hash && UnsafeRawBufferPointer(rebasing: self.bytes[self.nameRange]).equals(name)
    }
}

/// The targets that were asked for lately, by name: a table with open addressing, so that asking makes no string.
struct TopicTable {
    /// Names come from outside: with a route for `*` there is no end of them. Beyond this number the table starts anew.
    static let limit = 4096

    private var slots = [TopicTarget?](repeating: nil, count: 64)
    private(set) var count = 0

    func find(_ name: UnsafeRawBufferPointer, hash: UInt64) -> TopicTarget? {
        var place = Int(truncatingIfNeeded: hash) & (self.slots.count - 1)
        while let target = self.slots[place] {
            if target.isNamed(name, hash: hash) { return target }
            place = (place + 1) & (self.slots.count - 1)
        }
        return nil
    }

    mutating func insert(_ target: TopicTarget) {
        if self.count >= Self.limit {
            self.slots = [TopicTarget?](repeating: nil, count: 64)
            self.count = 0
        }
        if self.count * 2 >= self.slots.count {
            let old = self.slots
            self.slots = [TopicTarget?](repeating: nil, count: old.count * 2)
            for case let target? in old { self.put(target) }
        }
        self.put(target)
        self.count += 1
    }

    private mutating func put(_ target: TopicTarget) {
        var place = Int(truncatingIfNeeded: target.hash) & (self.slots.count - 1)
        while self.slots[place] != nil { place = (place + 1) & (self.slots.count - 1) }
        self.slots[place] = target
    }

    /// FNV-1a, folded so that its low bits, which pick the place, depend on all of it. Seeded, so that nobody outside can aim for
    /// collisions.
    static func hash(_ name: UnsafeRawBufferPointer, seed: UInt64) -> UInt64 {
        var hash = seed ^ 0xcbf2_9ce4_8422_2325
        for byte in name { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        return hash ^ hash >> 32
    }
}
