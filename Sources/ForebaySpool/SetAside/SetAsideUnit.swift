extension SetAsideLog {
    /// A topic, or one partition of it, whose events wait.
    package struct Unit: Sendable, Equatable {
        /// Never used again while anything of the unit is on disk.
        package let number: UInt64
        package let topic: String
        /// None: the whole topic.
        package let partition: Int32?
        /// Of the topic when it was set aside; 0: not known.
        package let partitionCount: Int32
        /// `UNKNOWN_TOPIC_OR_PART`
        package var code: String
        /// For people; at most 512 bytes of it are kept.
        package var reason: String
        /// When it was set aside, ms since 1970.
        package let since: Int64
        /// Acceptance of the first event that is not settled, ms since 1970.
        package var oldestAcceptedAt: Int64
        /// Everything of it below this position is settled.
        package var settled: UInt64
        /// One past its last durable event.
        package var end: UInt64
        /// Of units with events of the same topic, those with a lower one are older.
        package var turn: Int

        /// `orders`, `orders/3`.
        package var name: String { self.partition.map { "\(self.topic)/\($0)" } ?? self.topic }

        package init(
            number: UInt64, topic: String, partition: Int32?, partitionCount: Int32, code: String, reason: String, since: Int64,
            oldestAcceptedAt: Int64, settled: UInt64 = 0, end: UInt64 = 0, turn: Int = 0
        ) {
            self.number = number
            self.topic = topic
            self.partition = partition
            self.partitionCount = partitionCount
            self.code = code.cut(to: UnitIdentity.codeLimit)
            self.reason = reason.cut(to: UnitIdentity.reasonLimit)
            self.since = since
            self.oldestAcceptedAt = oldestAcceptedAt
            self.settled = settled
            self.end = end
            self.turn = turn
        }
    }
}

extension String {
    /// At most so many bytes of UTF-8, no character in half.
    func cut(to limit: Int) -> String {
        guard self.utf8.count > limit else { return self }
        var kept = self.utf8.prefix(limit)
        // A byte that goes on with a character begun before the limit takes the rest of that character with it.
        if UTF8.isContinuation(self.utf8[kept.endIndex]) {
            while let last = kept.popLast(), UTF8.isContinuation(last) {}
        }
        return String(decoding: kept, as: UTF8.self)
    }
}
