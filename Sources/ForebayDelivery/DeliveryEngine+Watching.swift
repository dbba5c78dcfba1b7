import ForebayCore
import ForebayKafka
import ForebayTelemetry

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
            self.lapseRoomWants()
            self.keepAhead(isFinal: false)
        }
    }

    private func showStall() {
        guard self.way == .direct else { return }
        let now = self.loop.nowMilliseconds
        self.reporter.show(
            self.state.stalls.longest, patience: self.settings.partitionPatience, wall: self.surroundings.time.wallMilliseconds
        ) { Int64(clamping: now - min(now, $0.movedAt)) }
    }

    /// A producer that lasts for longer than those that failed one after the other tells that this is over, also where there is nothing to
    /// deliver.
    private func seeProducersLast() {
        guard self.state.producers[.main].failures > 0, self.state.producers[.main].isOpen,
            let open = self.producers[.main],
            self.loop.nowMilliseconds - min(self.loop.nowMilliseconds, open.openedAt) >= 2 * UInt64(self.settings.backoffLimit)
        else { return }
        self.state.producers[.main].failures = 0
        self.target.producerLasts()
    }

    /// librdkafka waits by the time of day: a client that waits to connect again when that is set back would wait for as long as that was.
    private func watchClock() {
        let time = self.surroundings.time
        let ahead = time.wallMilliseconds - Int64(clamping: time.monotonicNanoseconds / 1_000_000)
        guard
            let milliseconds = self.target.setBack(
                ahead: ahead, now: self.loop.nowMilliseconds, interval: self.settings.metadataInterval), !self.producers.isEmpty
        else { return }
        self.reporter.logger.warning(
            "the clock was set back while the cluster, or a broker of it, is away; its producers are made anew",
            ["route": self.route, "milliseconds": "\(milliseconds)"])
        for slot in ProducerSlot.allCases { self.state.failed(slot, now: self.loop.nowMilliseconds) }
    }

    /// Logs that wanted room, and have not for so long that nothing does any more.
    private func lapseRoomWants() {
        let lapsed = self.sideLogs.lapse(
            hasLetters: !self.state.actions.deadLetters.isEmpty, now: self.loop.nowMilliseconds, after: self.roomPatience)
        guard !lapsed.isEmpty else { return }
        self.reporter.show(self.sideLogs.rooms.all)
        if lapsed.contains(.setAside), self.way == .direct { self.setAside.forgetRequeued() }
    }

    /// What went back and can't be delivered yet comes again within so many ms: a topic soon, a partition when it has stood still for long,
    /// what the drain let go of at its next try.
    private var roomPatience: UInt64 {
        if self.way == .aside { return 5000 + UInt64(self.settings.retryLimit) }
        return 5000 + (self.setAside.hasRequeuedPartition ? UInt64(self.settings.partitionPatience) : 0)
    }

    /// Asks a cluster that has been silent for a while whether it is there.
    ///
    /// Seldom while no topic is in use: librdkafka tells when its connection is gone, but not that a frozen cluster is behind it.
    func watchTarget() async {
        guard self.way == .direct else { return }
        while true {
            do { try await self.surroundings.time.sleep(milliseconds: self.settings.targetInterval) } catch { return }
            let silent = self.target.silence(now: self.loop.nowMilliseconds)
            let isIdle = self.state.knownTopics(by: .main) == 0
            guard silent >= UInt64(isIdle ? self.settings.idleInterval : self.settings.targetInterval) else { continue }
            self.target.ask()
            self.current.wakeups.wanted[ProducerSlot.main.rawValue].notify()
        }
    }
}
