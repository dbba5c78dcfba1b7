import ForebayCore

/// A hole: events that were acknowledged and can't be read any more.
package struct MissingRange: Sendable, Equatable {
    /// Sequences of the log; of a ``unit``: its positions.
    package internal(set) var sequences: Range<UInt64>
    /// How many of these nobody had settled: these are lost, the others had been delivered.
    package internal(set) var events: UInt64
    /// Whether who noticed it knows that number.
    let isCounted: Bool
    package let segment: UInt64
    /// Position in the segment's file.
    package let position: Int
    package let reason: String
    package let unit: UInt64?
    /// Of the unit, which is forgotten when nothing of it is left; none: not known, or no unit's.
    package let topic: String?
    /// A file that is gone holds them. Should it come back, they are there again in the spool; in a set-aside log it does not count.
    package let isGone: Bool
    /// When it was first noticed, ms since 1970.
    package var noticedAt: Int64 = 0

    /// - Parameter events: none: to be counted, and no more than there are sequences.
    init(
        sequences: Range<UInt64>, segment: UInt64, position: Int, reason: String, unit: UInt64? = nil, topic: String? = nil,
        events: UInt64? = nil, isGone: Bool = false
    ) {
        self.isGone = isGone
        self.sequences = sequences
        self.isCounted = events != nil
        self.events = events ?? (sequences.upperBound - sequences.lowerBound)
        self.segment = segment
        self.position = position
        self.reason = reason
        self.unit = unit
        self.topic = topic
    }
}

extension MissingRange {
    /// The parts of it that none of the others has.
    func parts(without others: [MissingRange]) -> [MissingRange] {
        let left = self.sequences.parts(without: others.filter { $0.unit == self.unit }.map(\.sequences))
        if left == [self.sequences] { return [self] }
        return left.map { range in
            var part = self
            part.sequences = range
            part.events = min(self.events, range.upperBound - range.lowerBound)
            return part
        }
    }

    /// None unless the other goes on where this one ends.
    func joined(with other: MissingRange) -> MissingRange? {
        guard self.unit == other.unit, self.segment == other.segment, self.reason == other.reason,
            self.sequences.upperBound == other.sequences.lowerBound
        else { return nil }
        var joined = MissingRange(
            sequences: self.sequences.lowerBound..<other.sequences.upperBound, segment: self.segment, position: self.position,
            reason: self.reason, unit: self.unit, topic: self.topic, isGone: self.isGone)
        joined.events = self.events + other.events
        joined.noticedAt = self.noticedAt
        return joined
    }
}

extension Range {
    /// What of it is in none of the others, ascending.
    func parts(without others: [Range]) -> [Range] {
        var left = [self]
        for other in others {
            left = left.flatMap { range -> [Range] in
                let known = other.clamped(to: range)
                guard !known.isEmpty else { return [range] }
                return [range.lowerBound..<known.lowerBound, known.upperBound..<range.upperBound].filter { !$0.isEmpty }
            }
        }
        return left
    }
}

/// Something of ours on the disk that is damaged or gone, beside the events that a ``MissingRange`` names.
package struct SpoolAlarm: Sendable, Equatable {
    package enum Kind: Sendable {
        case damage
        /// It is sound, nobody needs it, and it can't be removed: until it is.
        case stays
    }

    package let file: String
    /// What is wrong, and what was done about it.
    package internal(set) var text: String
    package let kind: Kind
    /// Whether events may be lost with it.
    package let holdsEvents: Bool
    /// Which log it is that is gone as a whole: should it be there again, it is lost no more.
    let log: SpoolID?
    /// When it was noticed, ms since 1970.
    package var noticedAt: Int64

    init(file: String, text: String, kind: Kind = .damage, holdsEvents: Bool = false, log: SpoolID? = nil, noticedAt: Int64 = 0) {
        self.log = log
        self.holdsEvents = holdsEvents
        self.file = file
        self.text = text
        self.kind = kind
        self.noticedAt = noticedAt
    }
}

/// All that was found lost or damaged in a log.
package struct SpoolDamage: Sendable, Equatable {
    package var missing: [MissingRange] = []
    package var alarms: [SpoolAlarm] = []
}
