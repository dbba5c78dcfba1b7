import ForebayKafka

/// Partitions that stand still although the cluster answers.
extension ForwardState {
    /// Looks for partitions that have not moved for long although the cluster answers.
    ///
    /// A tenth of the patience is left to one that fills the drain's queue: it is read again later, and others wait for their turn.
    ///
    /// - Returns: whether all were looked at; otherwise the next call goes on.
    @discardableResult
    mutating func checkStalls(now: UInt64) -> Bool {
        let isCrowded = self.role == .drain && !self.wantsMore
        let patience = UInt64(self.configuration.partitionPatience)
        let first = self.stallsLookedAt < self.partitions.count ? self.stallsLookedAt : 0
        let end = min(self.partitions.count, first + self.configuration.stallsPerLook)
        self.stallsLookedAt = end
        for place in first..<end where self.partitions[place].unsettled > 0 {
            self.checkStall(of: place, patience: isCrowded ? patience / 10 : patience, now: now)
        }
        return end == self.partitions.count
    }

    private mutating func checkStall(of place: Int, patience: UInt64, now: UInt64) {
        let partition = self.partitions[place]
        guard partition.aside != .closing || self.role == .drain else { return }
        let silent = now - min(now, partition.movedAt)
        let learned = self.topics[partition.topic].learnedAt
        if silent > patience / 4 || partition.isLeaderless, now - min(now, learned) >= UInt64(self.configuration.metadataRetry) {
            self.want(partition.topic, by: .main)
        }
        guard silent >= patience || self.role == .drain && partition.isLeaderless else { return }
        // An answer from within the silence tells that the cluster is there; without one all of it may be away.
        guard learned >= partition.movedAt + patience / 4 || partition.isLeaderless,
            now - min(now, learned) <= UInt64(self.configuration.partitionPatience) / 2
        else { return }
        let failure =
            partition.isLeaderless
            ? KafkaFailure(.leaderNotAvailable, reason: "the partition has no leader")
            : KafkaFailure(.timedOut, reason: "no delivery for \(silent / 1000) s, though the cluster answers")
        self.fail(partition: place, failure, byDelivery: false, now: now)
    }
}
