import ForebayCore
import ForebayKafka
import ForebayTelemetry
import Synchronization

/// What a stage looks at again and again while it runs, whether or not anything comes.
extension DeliveryEngine {
    /// Looks for partitions that stand still.
    func watchStalls() async {
        let interval = max(10, min(1000, self.settings.partitionPatience / 4))
        while true {
            do { try await self.surroundings.time.sleep(milliseconds: interval) } catch { return }
            while !self.state.checkStalls(now: self.loop.nowMilliseconds) { await Task.yield() }
            self.showStall()
            self.seeProducersLast()
            self.watchClock()
            self.turn()
            // What wanted room may have gone another way: a topic that is there again, or takes its events now.
            if self.departing.isEmpty, self.hasWaited(for: .setAside) {
                self.hasRoom(for: .setAside)
                self.roomFailures = 0
                if self.way == .direct { self.setAside.wentDirect() }
            }
            if self.state.actions.deaths.isEmpty, self.hasWaited(for: .deadLetters) { self.hasRoom(for: .deadLetters) }
            self.keepAhead(isFinal: false)
        }
    }

    /// Nobody else tells of a partition that waits for long before it is set aside.
    private func showStall() {
        guard self.way == .direct, self.shown.withLock({ $0.stall?.stall != self.state.stalls.longest }) else { return }
        let shown = self.state.stalls.longest.map { stall in
            let silent = Int64(clamping: self.loop.nowMilliseconds - min(self.loop.nowMilliseconds, stall.movedAt))
            return (
                stall,
                "partition \(stall.partition) of topic \(stall.topic) takes nothing, though the cluster answers; it is set aside after "
                    + "delivery.set_aside.partition_after (\(self.settings.partitionPatience / 1000) s)",
                self.advice.text(for: KafkaFailure(stall.code), topic: stall.topic), self.surroundings.time.wallMilliseconds - silent
            )
        }
        self.shown.withLock { $0.stall = shown }
    }

    /// A producer that lasts for longer than those that failed one after the other tells that this is over, also where there is nothing to
    /// deliver.
    private func seeProducersLast() {
        guard self.state.producers[.main].failures > 0, self.state.producers[.main].isOpen,
            let open = self.producers[ProducerSlot.main.rawValue],
            self.loop.nowMilliseconds - min(self.loop.nowMilliseconds, open.openedAt) >= 2 * UInt64(self.settings.holdLimit)
        else { return }
        self.state.producers[.main].failures = 0
        guard self.target.health.trouble?.isOfProducers == true else { return }
        self.target.health.producersLast()
        self.target.wantsAnswer = self.way == .direct
    }

    /// librdkafka waits by the time of day: a client that waits to connect again when that is set back would wait for as long as that was.
    private func watchClock() {
        let time = self.surroundings.time
        let ahead = time.wallMilliseconds - Int64(clamping: time.monotonicNanoseconds / 1_000_000)
        defer { self.wallAhead = ahead }
        guard let before = self.wallAhead, before - ahead > 2000, self.producers.contains(where: { $0 != nil }),
            self.target.health.isUp != true || self.mayMissBroker
        else { return }
        self.logger.warning(
            "the clock was set back while the cluster, or a broker of it, is away; its producers are made anew",
            ["route": self.route, "milliseconds": "\(before - ahead)"])
        for slot in ProducerSlot.allCases { self.state.failed(slot, now: self.loop.nowMilliseconds) }
    }

    /// A client that failed a while ago may still miss one broker, though the others answer.
    private var mayMissBroker: Bool {
        self.target.clientFailedAt.map { self.loop.nowMilliseconds - $0 < UInt64(self.settings.metadataInterval) } ?? false
    }

    /// Whether a log wanted room, and has not for so long that nothing does any more.
    private func hasWaited(for log: RoomWant.Log) -> Bool {
        self.roomWantedAt[log].map { self.loop.nowMilliseconds - $0 >= self.roomPatience } ?? false
    }

    /// What went back and can't be delivered yet comes again within so many ms: a topic soon, a partition when it has stood still for long,
    /// what the drain let go of at its next try.
    private var roomPatience: UInt64 {
        if self.way == .aside { return 5000 + UInt64(self.settings.retryLimit) }
        return 5000 + (self.setAside.hasTakenPartitionBack ? UInt64(self.settings.partitionPatience) : 0)
    }

    /// Asks a cluster that has been silent for a while whether it is there.
    ///
    /// Seldom while no topic is in use: librdkafka tells when its connection is gone, but not that a frozen cluster is behind it.
    func watchTarget() async {
        guard self.way == .direct else { return }
        while true {
            do { try await self.surroundings.time.sleep(milliseconds: self.settings.targetInterval) } catch { return }
            let silent = self.loop.nowMilliseconds - min(self.loop.nowMilliseconds, self.target.heardAt)
            let isIdle = self.state.knownTopics(by: .main) == 0
            guard silent >= UInt64(isIdle ? self.settings.idleInterval : self.settings.targetInterval) else { continue }
            self.target.wantsAnswer = true
            self.wakeups.wanted[ProducerSlot.main.rawValue].notify()
        }
    }
}
