import ForebayKafka

/// Partitions that stand still although the cluster answers.
extension DeliveryState {
    /// The cluster was asked and did not answer.
    mutating func clusterFailed() { self.stalls.failed() }

    /// The cluster answered, or took an event. If it was away before, that time counts for no partition; what each had stood still for
    /// until then does, so that a cluster that comes and goes puts off none for ever.
    mutating func clusterAnswered(now: UInt64) {
        let before = self.stalls.answeredAt
        guard self.stalls.answered(now: now, outage: self.settings.outage) else { return }
        for place in self.partitions.places where self.partitions[place].events.unsettled > 0 {
            let counted = before - min(before, self.partitions[place].movedAt)
            self.partitions[place].movedAt = now - counted
        }
    }

    /// Looks for partitions that have not moved for long although the cluster answers.
    ///
    /// A tenth of the patience is left to one that fills the drain's queue: it is read again later, and others wait for their turn.
    ///
    /// - Returns: whether all were looked at; otherwise the next call goes on.
    @discardableResult
    mutating func checkStalls(now: UInt64) -> Bool {
        let isCrowded = self.way == .aside && !self.wantsMore
        let patience = UInt64(self.settings.partitionPatience)
        let (places, isFirst) = self.stalls.look(among: self.partitions.places.count, atMost: self.settings.stallsPerLook)
        if isFirst { self.clearCrowd(now: now) }
        for place in places where self.partitions[place].events.unsettled > 0 {
            self.checkStall(of: place, patience: isCrowded ? patience / 10 : patience, now: now)
        }
        return self.stalls.endLook(among: self.partitions.places.count)
    }

    /// Partitions whose events go alone, since some were refused, give way when they fill the queue from one look to the next: what can be
    /// delivered at once stands behind them. The drain goes on with them, alone as well.
    private mutating func clearCrowd(now: UInt64) {
        let slow = self.slowPartitions
        let bytes = slow.flatMap { self.partitions.unsettled(of: $0, in: self.window) }.reduce(0) { $0 + Int(self.window[$1].bytes) }
        guard self.stalls.crowded(!slow.isEmpty && bytes >= self.settings.queueLimit / 2) else { return }
        for place in slow where self.partitions[place].aside.mode == .none {
            let refusal = self.topics[self.partitions[place].topic].trouble.refusal
            self.fail(partition: place, Self.crowd(after: refusal.code, isOfEvent: refusal.isOfEvent), byDelivery: true, now: now)
        }
    }

    private var slowPartitions: [Int] {
        guard self.way == .direct, !self.wantsMore, self.producers[.single].outstanding > 0 else { return [] }
        return self.partitions.places.filter {
            self.partitions[$0].events.queued > 0
                && (self.partitions[$0].caution.aloneLeft > 0 || self.partitions[$0].producer.isAlone)
        }
    }

    /// Why a partition's events go alone. Its neighbours' refusals count: they get the same events.
    private static func crowd(after code: KafkaErrorCode, isOfEvent: Bool) -> KafkaFailure {
        if isOfEvent { return KafkaFailure(code, reason: "events were refused for good, so those behind them go one at a time") }
        switch code {
        // Said of a batch it is said of no event: none is known to be too large.
        case .none, .messageTooLarge:
            return KafkaFailure(.batchTooLarge, reason: "the topic takes no batch that large, so its events go one at a time")
        default: return KafkaFailure(code, reason: "a batch was refused, so its events go one at a time")
        }
    }

    private mutating func note(_ partition: PartitionState, silent: UInt64) {
        guard self.way == .direct, partition.aside.mode == .none, silent >= UInt64(self.settings.stallTold) else { return }
        self.stalls.see(
            StallWatch.Stall(
                topic: self.topics[partition.topic].name, partition: partition.number, movedAt: partition.movedAt,
                code: partition.retry.notTaken.isError ? partition.retry.notTaken : .timedOut))
    }

    private mutating func checkStall(of place: Int, patience: UInt64, now: UInt64) {
        let partition = self.partitions[place]
        guard partition.aside.mode != .closing || self.way == .aside else { return }
        let silent = self.stalls.silence(since: partition.movedAt, now: now, lasts: self.settings.answerLasts)
        let learned = self.topics[partition.topic].metadata.learnedAt
        let isSilent = now - min(now, partition.movedAt) > min(patience / 4, self.settings.outage / 2)
        if isSilent || partition.isLeaderless, now - min(now, learned) >= UInt64(self.settings.metadataRetry) {
            self.want(partition.topic, by: .main)
        }
        guard silent >= patience || self.way == .aside && partition.isLeaderless else { return self.note(partition, silent: silent) }
        // An answer from within the silence tells that the cluster is there; without one all of it may be away.
        guard learned >= partition.movedAt + patience / 4 || partition.isLeaderless,
            now - min(now, learned) <= UInt64(self.settings.partitionPatience) / 2
        else { return }
        self.fail(partition: place, Self.cause(of: partition, silent: silent), byDelivery: false, now: now)
    }

    private static func cause(of partition: PartitionState, silent: UInt64) -> KafkaFailure {
        if partition.isLeaderless { return KafkaFailure(.leaderNotAvailable, reason: "the partition has no leader") }
        let code = partition.retry.notTaken
        switch code {
        case .none: return KafkaFailure(.timedOut, reason: "no delivery for \(silent / 1000) s, though the cluster answers")
        case .queueFull:
            return KafkaFailure(.queueFull, reason: "an event is larger than all that this client may hold (queue.buffering.max.kbytes)")
        default: return KafkaFailure(code, reason: "this client does not take the event: \(code.text)")
        }
    }
}
