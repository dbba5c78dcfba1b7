import ForebayCore
import ForebayDelivery
import ForebaySpool
import ForebayTestKit

/// What must be true of a node while it runs, and at rest.
extension SimulatedNode {
    struct Watched: Sendable {
        let deliveries: [Delivery]
        let spool: Spool
        let budget: SpoolBudget
        let delivery: DeliveryBudget
        let port: LinkPort<Submission>
    }

    /// A cursor stands where all below is settled, and counts what is not.
    func checkPlace(_ delivery: Delivery, _ spool: Spool) {
        let sequence = delivery.cursor.sequence
        if let last = self.lastPlaces.updateValue(sequence, forKey: delivery.name), sequence < last {
            self.model.violate("the cursor \(delivery.cursor.name) went back from \(last) to \(sequence)")
        }
        let elsewhere = delivery.aside.map { $0.setAside.events + $0.logs.deadLetters.count } ?? 0
        self.checkPlace(delivery.known, delivery.cursor, elsewhere: elsewhere, spool)
    }

    /// The same of a mirror that is not configured, and of what it left when it had nothing to wait for.
    func checkPlace(_ removed: Removed, _ spool: Spool) {
        guard removed.name.stage == .mirror, let line = self.life.line(of: removed.name) else { return }
        let elsewhere = removed.logs.map { $0.setAsideEvents + $0.deadLetters.count } ?? 0
        if let cursor = removed.cursor { self.checkPlace(LineDelivery(line, .mirror), cursor, elsewhere: elsewhere, spool) }
    }

    private func checkPlace(_ known: LineDelivery, _ cursor: SpoolCursor, elsewhere: UInt64, _ spool: Spool) {
        // Holes count as waiting until they are passed; how many events they held the log can't know.
        guard !self.model.isDamaged else { return }
        if self.plan.usesKafka { self.clusters.tell(self.model) }
        let (lag, sequence) = (spool.lag(of: cursor), cursor.sequence)
        let place = self.model.place(of: known, at: sequence)
        // One that stayed under a former name counts what came under that.
        let isFormer = cursor.delivery.route != self.life.lines[known.line].name
        if !(isFormer ? 0...place.lag.upperBound : place.lag).contains(lag) {
            self.model.violate("\(cursor.name) says lag \(lag), right is \(place.lag), cursor \(sequence)")
        }
        if place.undelivered > elsewhere {
            self.model.violate(
                "the cursor \(cursor.name) stands at \(sequence), below it \(place.undelivered) events have not arrived, and"
                    + " \(elsewhere) are set aside or dead letters")
        }
    }

    /// Memory and disk while it runs.
    func checkBounds(_ watched: Watched) {
        self.countReleased(watched.spool)
        if let fault = watched.spool.fault {
            let isAway = fault.hasSuffix("back in its place")
            self.model.coverage.hit(isAway ? "a folder that is away is noticed" : "files taken away under the node are noticed")
        }
        // A share that holds nothing is granted anything, and a group larger than the tail stays there until the next.
        let largest = self.model.largest + 8 << 10
        if watched.delivery.used > watched.delivery.total + 2 * watched.deliveries.count * largest {
            self.model.violate("\(watched.delivery.used) bytes are in flight, \(watched.delivery.total) are allowed")
        }
        if watched.port.depth.bytes > (4 << 20) + largest { self.model.violate("\(watched.port.depth.bytes) bytes wait in the link") }
        if watched.spool.recentBytes > self.plan.recentBytes + 64 * largest {
            self.model.violate("\(watched.spool.recentBytes) bytes stay in memory for readers, \(self.plan.recentBytes) are allowed")
        }
        if watched.spool.sharedReadBytes > self.plan.sharedReadBytes {
            self.model.violate("\(watched.spool.sharedReadBytes) bytes stay for other readers, \(self.plan.sharedReadBytes) are allowed")
        }
        if watched.spool.sharedReadBytes > 0 { self.model.coverage.hit("parts of segments stay for other readers") }
        guard !self.model.isDamaged, self.disk.calls % 8 == 0 else { return }
        // Beside the segments there are small files of each log, and of each cursor.
        let others = (2 * watched.deliveries.count + 2) * (48 << 10) + 16 * (16 << 10)
        let onDisk = self.disk.bytesOfFiles
        if onDisk > self.plan.maxSize + others { self.model.violate("\(onDisk) bytes are on the disk, \(self.plan.maxSize) are allowed") }
    }

    /// Sweeps: segments that every cursor had passed.
    func countReleased(_ spool: Spool) {
        guard spool.start > self.lastStart else { return }
        self.lastStart = spool.start
        self.model.coverage.hit("sweep: the oldest segments were released")
    }

    func checkRest(_ watched: Watched) async {
        let (deliveries, spool, budget) = (watched.deliveries, watched.spool, watched.budget)
        // The cursors are synced and segments cleared some 100 ms after; room is looked for once a second.
        for _ in 0..<3 where spool.isFull {
            await self.pass(milliseconds: 2_000)
        }
        await self.pass(milliseconds: 2_000)
        for delivery in deliveries {
            guard let letters = delivery.aside?.logs.deadLetters else { continue }
            let stage = delivery.known.stage
            do {
                for letter in try await letters.list(after: nil, limit: .max) {
                    self.model.bury(letter.value ?? [], id: letter.eventID, of: stage, refusedRest: self.plan.refusedRest(stage))
                }
            } catch {
                self.model.violate("the dead letters can't be read: \(error)")
            }
        }
        for delivery in deliveries where spool.lag(of: delivery.cursor) != 0 {
            let (lag, cursor) = (spool.lag(of: delivery.cursor), delivery.cursor)
            self.model.violate("at rest, \(cursor.name) says lag \(lag), cursor \(cursor.sequence)")
        }
        self.model.toldAtRest = [(spool.damage, nil)]
        for delivery in deliveries {
            if let log = delivery.aside?.logs.setAside { self.model.toldAtRest.append((log.damage, delivery.known)) }
        }
        if spool.isFull { self.model.violate("at rest, with everything delivered, the spool is full: \(budget.usedBytes) bytes used") }
        if spool.allCursors.count != deliveries.count {
            self.model.violate("\(spool.allCursors.count) cursors for \(deliveries.count) deliveries: \(spool.allCursors.map(\.name))")
        }
        let folder = "\(Self.directory)/spool/segments/"
        let onDisk = self.disk.files.filter {
            $0.hasPrefix(folder) || $0.hasSuffix("/ballast")
        }
        .reduce(0) { $0 + (self.disk.size(of: $1) ?? 0) }
        // The newest segment of each log counts as large as it may grow.
        let largest = self.model.largest  // A group larger than a segment gets a larger one.
        let growing = 2 * self.plan.segmentSize + largest + (self.plan.usesKafka ? deliveries.count * 2 * (128 << 10) : 0)
        if !self.model.isDamaged, !(onDisk - self.plan.segmentSize...onDisk + growing).contains(budget.usedBytes) {
            self.model.violate("at rest \(budget.usedBytes) bytes are counted, \(onDisk) are on the disk")
        }
        if !self.model.isDamaged, spool.byteCount > 4 * (self.plan.segmentSize + largest) {
            self.model.violate("at rest, with everything delivered, \(spool.segmentCount) segments of \(spool.byteCount) bytes are kept")
        }
    }
}
