package import ForebayCore
import ForebaySpool
import ForebayTelemetry
import Synchronization

/// What of the set-aside log can be delivered again, for the drain: each unit's events in their order, on lanes of their own.
package final class SetAsideSource: EventSource {
    private let setAside: SetAside
    private let readAheadBytes: Int
    private let reader: ReaderActor
    private let surroundings: Surroundings
    private let current = Mutex<Task<Void, Never>?>(nil)

    /// - Parameter executor: of a thread that may wait for the disk; this source's alone.
    package init(_ setAside: SetAside, executor: any SerialExecutor, readAheadBytes: Int, surroundings: Surroundings) {
        self.setAside = setAside
        self.readAheadBytes = readAheadBytes
        self.reader = ReaderActor(executor: executor)
        self.surroundings = surroundings
    }

    /// Each unit has a cursor of its own; this is none of them.
    package var cursor: Offset { Offset(lane: .unit(0), number: 0) }

    package var lag: UInt64 { self.setAside.events }

    package func batches() -> AsyncStream<Batch> {
        let link = Link<Batch>(name: "setaside/\(self.setAside.route)", bound: self.readAheadBytes)
        let (signals, signal) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        self.setAside.read { signal.yield() }
        signal.yield()
        let (reader, setAside) = (self.reader, self.setAside)
        let task = Task(preferring: self.surroundings.tasks) { await reader.read(into: link, from: setAside, signals) }
        let old = self.current.withLock { current in
            defer { current = task }
            return current
        }
        old?.cancel()
        return link.stream()
    }

    package func commit(through end: Offset) {
        guard case .unit(let number, let pass) = end.lane else { return }
        self.setAside.settle(number, pass: pass, through: end.number)
    }

    package func load(_ lane: Lane) -> UInt64? {
        guard case .unit(let number, _) = lane else { return nil }
        return self.setAside.settled(number)
    }

    package func flush() async { await self.setAside.flush() }

    /// Ends the reading; the stage that read has ended.
    package func close() {
        self.current.withLock { $0 }?.cancel()
    }

    /// One pass over the log, for units that are read together.
    private struct Pass {
        let scan: SetAsideScan
        var units: [UInt64: UInt32]

        var ends: [(unit: UInt64, pass: UInt32, position: UInt64)] {
            self.units.map { ($0.key, $0.value, self.scan.position(of: $0.key) ?? 0) }
        }
    }

    /// Reads for all passes in turn: each has one, of bounded work, so that a long one holds up neither the others nor those of other
    /// routes that share the thread. What may be read joins at once; there are no more passes than units that are drained at once.
    private actor ReaderActor {
        private static let step = 256 << 10
        /// With more passes than that they keep nothing in memory from one turn to the next.
        private static let windows = 4

        private let executor: any SerialExecutor
        private let logger = Logger(label: "reader")

        nonisolated var unownedExecutor: UnownedSerialExecutor { self.executor.asUnownedSerialExecutor() }

        init(executor: any SerialExecutor) {
            self.executor = executor
        }

        func read(into link: Link<Batch>, from setAside: SetAside, _ signals: AsyncStream<Void>) async {
            defer { link.finish() }
            var passes: [Pass] = []
            do {
                for await _ in signals {
                    var isIdle = false
                    while !isIdle, !Task.isCancelled {
                        Self.change(&passes, setAside)
                        isIdle = true
                        for pass in passes {
                            let batches = try pass.scan.read(upTo: Self.step)
                            for batch in batches { try await Self.hand(batch, of: pass, to: link, setAside) }
                            if pass.scan.isCaughtUp { setAside.readAll(pass.ends) } else { isIdle = false }
                            if passes.count > Self.windows { pass.scan.rest() }
                            await Task.yield()
                        }
                    }
                }
            } catch is CancellationError {
                return
            } catch {
                // The stage sees its input end, and is made anew from the cursors.
                self.logger.error("reading the set-aside log failed", ["route": setAside.route, "error": "\(error)"])
            }
        }

        /// Units come and go, and passes that have come near to each other become one.
        private static func change(_ passes: inout [Pass], _ setAside: SetAside) {
            let reading = setAside.takeReading()
            for number in reading.drop {
                for index in passes.indices where passes[index].units.removeValue(forKey: number) != nil { passes[index].scan.drop(number) }
            }
            passes.removeAll { $0.units.isEmpty }
            // One that was given up and found again meanwhile stands there twice.
            let starts = Dictionary(reading.start.map { ($0.unit, $0) }) { $1 }
            for (number, start) in starts.sorted(by: { $0.key < $1.key }) {
                passes.append(Pass(scan: setAside.scan([number: start.from]), units: [number: start.pass]))
            }
            var merged: [Pass] = []
            for var pass in passes {
                merged.removeAll { other in
                    guard pass.scan.join(other.scan) else { return false }
                    pass.units.merge(other.units) { mine, _ in mine }
                    return true
                }
                if let index = merged.firstIndex(where: { $0.scan.join(pass.scan) }) {
                    merged[index].units.merge(pass.units) { mine, _ in mine }
                } else {
                    merged.append(pass)
                }
            }
            passes = merged
        }

        private static func hand(_ batch: Batch, of pass: Pass, to link: Link<Batch>, _ setAside: SetAside) async throws {
            guard case .unit(let number, _) = batch.lane, let count = pass.units[number] else { return }
            setAside.hasRead(number, pass: count, through: batch.end, acceptedAt: batch.acceptedAt)
            try await link.send(
                Batch(
                    lane: .unit(number, pass: count), origin: batch.origin, first: batch.first, count: batch.count, route: batch.route,
                    acceptedAt: batch.acceptedAt, slab: batch.slab, range: batch.range))
        }
    }
}
