import ForebayKafka

/// Partitions that stand still although the cluster answers.
extension ForwardState {
    /// Looks for partitions that have not moved for long although the cluster answers.
    mutating func checkStalls(now: UInt64) {
        let patience = UInt64(self.configuration.partitionPatience)
        for place in self.partitions.indices where self.partitions[place].unsettled > 0 {
            let partition = self.partitions[place]
            guard partition.aside != .closing || self.role == .drain else { continue }
            let silent = now - min(now, partition.movedAt)
            let learned = self.topics[partition.topic].learnedAt
            if silent > patience / 4 || partition.isLeaderless, now - min(now, learned) >= UInt64(self.configuration.metadataRetry) {
                self.want(partition.topic, by: .main)
            }
            guard silent >= patience || self.role == .drain && partition.isLeaderless else { continue }
            // An answer from within the silence tells that the cluster is there; without one all of it may be away.
            guard learned >= partition.movedAt + patience / 4 || partition.isLeaderless, now - min(now, learned) <= patience / 2 else {
                continue
            }
            let failure =
                partition.isLeaderless
                ? KafkaFailure(.leaderNotAvailable, reason: "the partition has no leader")
                : KafkaFailure(.timedOut, reason: "no delivery for \(silent / 1000) s, though the cluster answers")
            self.fail(partition: place, failure, byDelivery: false, now: now)
        }
    }
}
