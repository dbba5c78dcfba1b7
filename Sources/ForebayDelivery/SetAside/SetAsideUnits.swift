/// The units of one delivery: by their numbers, and a topic's in the order in which they came.
struct SetAsideUnits {
    private var byNumber: [UInt64: SetAsideUnit] = [:]
    private var byTopic: [String: [UInt64]] = [:]
    /// How many partitions their topics had when the cluster last told.
    private var partitionCounts: [String: Int] = [:]
    private var nextNumber: UInt64

    /// - Parameter nextNumber: higher than any that the log knows.
    init(nextNumber: UInt64 = 1) {
        self.nextNumber = nextNumber
    }

    /// To be changed where it stands. It comes by ``add(_:)`` and goes by ``remove(_:)``.
    subscript(number: UInt64) -> SetAsideUnit? {
        @inline(__always) _read { yield self.byNumber[number] }
        @inline(__always) _modify {
            let count = self.byNumber.count
            yield &self.byNumber[number]
            assert(self.byNumber.count == count, "a unit came or went past its topic")
        }
    }

    var isEmpty: Bool { self.byNumber.isEmpty }
    var count: Int { self.byNumber.count }
    var all: Dictionary<UInt64, SetAsideUnit>.Values { self.byNumber.values }
    var topics: Set<String> { Set(self.byTopic.keys) }

    func holds(_ topic: String) -> Bool { self.byTopic[topic] != nil }

    /// A topic's.
    func numbers(of topic: String) -> [UInt64] { self.byTopic[topic] ?? [] }

    func units(of topic: String) -> [SetAsideUnit] { self.numbers(of: topic).compactMap { self.byNumber[$0] } }

    func number(of key: SetAsideKey, turn: Int) -> UInt64? {
        self.byTopic[key.topic]?.first { self.byNumber[$0]?.key == key && self.byNumber[$0]?.turn == turn }
    }

    /// Whether anything of a turn is left.
    func holds(_ topic: String, turn: Int) -> Bool {
        self.byTopic[topic]?.contains { self.byNumber[$0]?.turn == turn } ?? false
    }

    // MARK: Coming and going

    /// A number that no unit has had.
    mutating func takeNumber() -> UInt64 {
        defer { self.nextNumber += 1 }
        return self.nextNumber
    }

    mutating func add(_ unit: SetAsideUnit) {
        self.byNumber[unit.number] = unit
        self.byTopic[unit.key.topic, default: []].append(unit.number)
    }

    /// - Returns: whether it was the last one of its topic.
    mutating func remove(_ unit: SetAsideUnit) -> Bool {
        let topic = unit.key.topic
        self.byNumber[unit.number] = nil
        self.byTopic[topic]?.removeAll { $0 == unit.number }
        guard self.byTopic[topic]?.isEmpty == true else { return false }
        (self.byTopic[topic], self.partitionCounts[topic]) = (nil, nil)
        return true
    }

    // MARK: Time

    /// Those that wait until a time that is over, how many are being tried, and when the next of the others is due; `.max`: none waits.
    ///
    /// There may be thousands, of which nearly all wait for a later time: these are not copied.
    func due(now: UInt64) -> (due: [(until: UInt64, number: UInt64)], tried: Int, next: UInt64) {
        var due: [(until: UInt64, number: UInt64)] = []
        var (tried, next) = (0, UInt64.max)
        for index in self.byNumber.indices {
            guard case .waiting(let until) = self.byNumber.values[index].phase else {
                tried += 1
                continue
            }
            if until <= now { due.append((until, self.byNumber.keys[index])) } else { next = min(next, until) }
        }
        return (due, tried, next)
    }

    // MARK: Partitions

    /// The cluster told how many partitions a topic has.
    ///
    /// - Returns: whether that is news, of a topic that has units.
    mutating func learn(partitions: Int, of topic: String) -> Bool {
        guard self.byTopic[topic] != nil, self.partitionCounts[topic] != partitions else { return false }
        self.partitionCounts[topic] = partitions
        return true
    }

    /// Whether a unit of a whole topic has to wait for those of its partitions: these remember more partitions than the topic has now, so
    /// their keys are spread anew, and it holds newer events of the same keys.
    func isBehindPartitions(_ unit: SetAsideUnit) -> Bool {
        guard unit.key.partition == nil, let count = self.partitionCounts[unit.key.topic] else { return false }
        return self.isNarrowed(unit.key.topic, to: count, turn: unit.turn)
    }

    /// Whether units of its partitions remember more of them than it has.
    func isNarrowed(_ topic: String, to count: Int, turn: Int) -> Bool {
        self.numbers(of: topic).contains { number in
            guard let unit = self.byNumber[number], unit.key.partition != nil, unit.turn == turn else { return false }
            return Int(unit.partitionCount) > count
        }
    }
}
