import ForebayCore
import ForebayKafka
import ForebaySpool
import Synchronization

/// For the drain, and its reader.
extension SetAside {
    func due(now: UInt64) -> [String: Bool] { self.state.withLock { $0.due(now: now) } }

    var waitsForTime: Bool { self.state.withLock { $0.waitsForTime } }

    func found(_ topics: [DeliveryActions.Found], now: UInt64) {
        self.change { state in
            for found in topics { state.found(found, now: now) }
        }
    }

    /// The drain could not go on with some units, what its producers still hold of them, and what of them is done.
    func failed(
        _ refusals: [DeliveryActions.Refusal], unreported: [(token: UInt64, offset: Offset)], done: [DeliveryActions.DoneUnit], now: UInt64
    ) {
        self.change { state in
            for unit in done { state.handedOver(unit) }
            for refusal in refusals {
                state.failed(
                    refusal.key, refusal.failure, byDelivery: refusal.byDelivery, sparesPartitions: refusal.sparesPartitions, now: now)
            }
            for (token, offset) in unreported {
                if case .unit(let unit, _) = offset.lane { state.keepUnreported(token, unit: unit, position: offset.number) }
            }
        }
    }

    /// Whether a batch that was read still counts, the partition it must go to, if it is one's, and what of the unit is settled ahead.
    func admission(of batch: Batch) -> (isAccepted: Bool, partition: Int32?, settled: Set<UInt64>) {
        guard case .unit(let number, let pass) = batch.lane else { return (false, nil, []) }
        return self.state.withLock { state in
            guard state.accepts(unit: number, pass: pass), let unit = state.units[number] else { return (false, nil, []) }
            return (true, unit.key.partition, unit.ahead)
        }
    }

    /// Events that were on their way into another log when the drain let go of their units are there, or not to come there.
    func arrived(_ tokens: [UInt64], isSettled: Bool) {
        guard self.state.withLock({ !$0.unreported.isEmpty }) else { return }
        self.change { state in
            for token in tokens { state.arrived(token, isSettled: isSettled) }
        }
    }

    /// Topics that the drain is to let go of, because an operator wants their units.
    func takeRecalled() -> Set<String> {
        self.state.withLock { state in
            defer { state.recalled = [] }
            return state.recalled
        }
    }

    func recalled(_ topic: String, unreported: [(token: UInt64, offset: Offset)], done: [DeliveryActions.DoneUnit]) {
        let events = unreported.compactMap { token, offset -> (token: UInt64, unit: UInt64, position: UInt64)? in
            guard case .unit(let unit, _) = offset.lane else { return nil }
            return (token, unit, offset.number)
        }
        self.change { state in
            for unit in done { state.handedOver(unit) }
            state.recalled(topic, unreported: events)
        }
    }

    func wakeDrain() { self.wake(.aside) }

    // MARK: For the reader

    /// - Parameter wake: called when there may be more to read.
    func read(wake: @escaping @Sendable () -> Void) {
        self.reader.set(wake)
    }

    /// Units not to be read any more, and those to be read, from their settled ends on.
    func takeReading() -> (drop: [UInt64], start: [(unit: UInt64, pass: UInt32, from: UInt64)]) {
        self.state.withLock { state in
            let (start, drop) = state.reading.take()
            return (
                drop,
                start.compactMap { number in
                    guard let unit = state.units[number], unit.phase == .draining else { return nil }
                    return (number, unit.pass, unit.settled)
                }
            )
        }
    }

    func scan(_ positions: [UInt64: UInt64]) -> SetAsideScan { self.log.scan(positions) }

    func hasRead(_ number: UInt64, pass: UInt32, through position: UInt64, acceptedAt: Int64) {
        self.state.withLock { $0.hasRead(number, pass: pass, through: position, acceptedAt: acceptedAt) }
    }

    /// A pass has reached the end of the log.
    ///
    /// - Parameter ends: how far it got in each unit: further than the last batch, if what came behind that can't be read any more.
    func readAll(_ ends: [(unit: UInt64, pass: UInt32, position: UInt64)]) {
        self.change { $0.readAll(ends) }
    }

    func settle(_ number: UInt64, pass: UInt32, through position: UInt64) {
        self.change { $0.settle(number, pass: pass, through: position) }
    }

    /// How far a unit is settled; none: it is not there.
    func settled(_ number: UInt64) -> UInt64? { self.state.withLock { $0.units[number]?.settled } }

    /// What is settled is so durably on return.
    func flush() async { await self.log.syncCursors() }

    /// See ``SetAsideLog/requireOpen()``.
    func requireOpen() throws(ForebayError) { try self.log.requireOpen() }
}
