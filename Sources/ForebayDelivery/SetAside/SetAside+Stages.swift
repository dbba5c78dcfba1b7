import ForebayCore
import ForebaySpool
import Synchronization

/// For both stages of a delivery.
extension SetAside {
    /// A stage's run begins.
    ///
    /// - Parameter wake: called when there may be something new for it, on any thread.
    func begin(_ way: DeliveryWay, wake: @escaping @Sendable () -> Void) {
        self.stages.withLock { $0[way] = wake }
        self.state.withLock { $0.begin(way) }
    }

    func end(_ way: DeliveryWay, now: UInt64) {
        self.stages.withLock { $0[way] = nil }
        self.change { $0.end(way, now: now) }
    }

    func takeChanges(for way: DeliveryWay) -> [(topic: String, now: SetAsideTopic?)] {
        self.state.withLock { $0.changes.has(for: way) ? $0.takeChanges(for: way) : [] }
    }

    /// Events leave a stage.
    ///
    /// - Returns: the number of each request's unit, and why that is set aside.
    func beginAppend(_ requests: [SetAsideState.AppendRequest], from way: DeliveryWay) -> [(number: UInt64, code: String)] {
        let (now, seenAt) = (self.time.wallMilliseconds, self.time.monotonicNanoseconds)
        return self.change { state in
            state.beginAppend(requests, from: way, now: now).map { number in
                if state.units[number]?.oldestSeenAt == nil { state.units[number]?.oldestSeenAt = seenAt }
                return (number, state.units[number]?.code ?? "")
            }
        }
    }

    /// Makes events durable in the log: only then may a cursor pass them.
    ///
    /// - Parameter batches: of a unit each, their records with their ids written out.
    /// - Returns: what ``stored(_:from:now:)`` is to be told in the same turn in which the cursor may pass them.
    /// - Throws: `spool_full`; nothing is stored then.
    func append(_ batches: [(unit: UInt64, batch: Batch)]) async throws(ForebayError) -> [Stored] {
        let new = self.state.withLock { state in Set(batches.map(\.unit)).compactMap { state.units[$0] }.filter { !$0.isInLog } }
        let ends = try await self.log.append(
            new: new.map { unit in
                SetAsideLog.Unit(
                    number: unit.number, topic: unit.key.topic, partition: unit.key.partition, partitionCount: unit.partitionCount,
                    code: unit.code, reason: unit.reason, since: unit.since, oldestAcceptedAt: unit.oldestAcceptedAt, settled: 0, end: 0,
                    turn: unit.turnInLog)
            }, batches)
        return Dictionary(batches.map { ($0.unit, $0.batch.count) }, uniquingKeysWith: +).map { unit, count in
            Stored(unit: unit, count: count, end: ends[unit] ?? 0)
        }
    }

    /// What a group that is durable has of one unit.
    struct Stored {
        fileprivate let unit: UInt64
        fileprivate let count: Int
        /// One past its last event in the log.
        fileprivate let end: UInt64
    }

    /// A group is durable.
    ///
    /// - Parameter now: when it left.
    func stored(_ group: [Stored], from way: DeliveryWay, now: UInt64) {
        self.change { state in
            for part in group { state.stored(part.unit, count: part.count, end: part.end, from: way, now: now) }
        }
        self.wake(.aside)
        self.reader.call()
    }

    /// Events that could not be appended go back to their stage, where that may be.
    func requeue(_ units: Set<UInt64>, from way: DeliveryWay) -> (units: Set<UInt64>, delivered: Set<UInt64>) {
        self.change { $0.requeue(units, from: way) }
    }

    var hasRequeuedPartition: Bool { self.state.withLock { $0.hasRequeuedPartition } }

    /// Nothing more wants room: what was taken back goes direct.
    func forgetRequeued() { self.change { $0.forgetRequeued(.direct) } }

    /// Events that could not be appended are let go of, and stay where the drain has read them.
    ///
    /// - Parameter units: those that they were on their way to, and how many bytes of each.
    /// - Returns: the tokens of those that a producer delivered after they had left.
    func letGo(_ units: [UInt64: Int]) -> Set<UInt64> { self.change { $0.letGo(units) } }

    /// Producers reported what they held, or let go of it.
    func reported(_ reports: [(token: UInt64, isDelivered: Bool)], by way: DeliveryWay) {
        self.change { state in
            for report in reports { state.reported(report.token, by: way, isDelivered: report.isDelivered) }
        }
        self.wake(.aside)
    }

    /// What its log holds, durably.
    var witness: LogWitness? { self.log.witness }
}
