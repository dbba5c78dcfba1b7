import ForebayCore
import ForebayDelivery
import ForebaySpool
import ForebayTestKit

/// What must be true of a node while it runs, and at rest.
extension SimulatedNode {
    struct Watched: Sendable {
        let routes: [Route]
        let spool: Spool
        let budget: SpoolBudget
        let forward: DeliveryBudget
        let port: LinkPort<Submission>
    }

    /// A cursor stands where all below is settled, and counts what is not.
    func checkPlace(_ route: Route, _ spool: Spool) {
        // Holes count as waiting until they are passed; how many events they held the log can't know.
        guard !self.model.isDamaged else { return }
        if self.plan.usesKafka { self.clusters.tell(self.model) }
        let (lag, sequence) = (spool.lag(of: route.cursor), route.cursor.sequence)
        let place = self.model.place(of: route.line, at: sequence)
        let elsewhere = route.aside.map { $0.setAside.events + $0.logs.deadLetters.count } ?? 0
        if !place.lag.contains(lag) {
            self.model.violate("route \(route.name) says lag \(lag), right is \(place.lag), cursor \(sequence)")
        }
        if place.undelivered > elsewhere {
            self.model.violate(
                "the cursor of route \(route.name) stands at \(sequence), below it \(place.undelivered) events have not arrived, and"
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
        if watched.forward.used > watched.forward.total + 2 * watched.routes.count * largest {
            self.model.violate("\(watched.forward.used) bytes are in flight, \(watched.forward.total) are allowed")
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
        let others = (2 * watched.routes.count + 2) * (48 << 10) + 16 * (16 << 10)
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
        let (routes, spool, budget) = (watched.routes, watched.spool, watched.budget)
        // The cursors are synced and segments cleared some 100 ms after; room is looked for once a second.
        for _ in 0..<3 where spool.isFull {
            await self.pass(milliseconds: 2_000)
        }
        await self.pass(milliseconds: 2_000)
        for route in routes {
            guard let letters = route.aside?.logs.deadLetters else { continue }
            do {
                for letter in try await letters.list(after: nil, limit: .max) {
                    self.model.bury(letter.value ?? [], id: letter.eventID, refusedRest: self.plan.refusedRest)
                }
            } catch {
                self.model.violate("the dead letters can't be read: \(error)")
            }
        }
        for route in routes where spool.lag(of: route.cursor) != 0 {
            self.model.violate("at rest, route \(route.name) says lag \(spool.lag(of: route.cursor)), cursor \(route.cursor.sequence)")
        }
        self.model.toldAtRest = [(spool.damage, nil)]
        for route in routes {
            if let log = route.aside?.logs.setAside { self.model.toldAtRest.append((log.damage, route.line)) }
        }
        if spool.isFull { self.model.violate("at rest, with everything delivered, the spool is full: \(budget.usedBytes) bytes used") }
        if spool.allCursors.count != routes.count {
            self.model.violate("\(spool.allCursors.count) cursors for \(routes.count) routes: \(spool.allCursors.map(\.name))")
        }
        let folder = "\(Self.directory)/spool/segments/"
        let onDisk = self.disk.files.filter {
            $0.hasPrefix(folder) || $0.hasSuffix("/ballast")
        }
        .reduce(0) { $0 + (self.disk.size(of: $1) ?? 0) }
        // The newest segment of each log counts as large as it may grow.
        let largest = self.model.largest  // A group larger than a segment gets a larger one.
        let growing = 2 * self.plan.segmentSize + largest + (self.plan.usesKafka ? routes.count * 2 * (128 << 10) : 0)
        if !self.model.isDamaged, !(onDisk - self.plan.segmentSize...onDisk + growing).contains(budget.usedBytes) {
            self.model.violate("at rest \(budget.usedBytes) bytes are counted, \(onDisk) are on the disk")
        }
        if !self.model.isDamaged, spool.byteCount > 4 * (self.plan.segmentSize + largest) {
            self.model.violate("at rest, with everything delivered, \(spool.segmentCount) segments of \(spool.byteCount) bytes are kept")
        }
    }
}
