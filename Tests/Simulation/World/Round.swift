import ForebayCore
import ForebaySpool
import ForebayTelemetry
package import ForebayTestKit

/// One round: a plan, tried, and what was wrong.
package struct Round {
    package struct Outcome: Sendable {
        package let seed: UInt64
        package let violations: [String]
        package let coverage: Coverage
        package let traceHash: UInt64
        package let acknowledged: Int
        package let steps: Int
    }

    package let plan: RoundPlan
    /// Tells what happens, for people.
    package var tell: ((String) -> Void)?

    package init(_ plan: RoundPlan) { self.plan = plan }

    package func run() -> Outcome {
        let machine = SimulatedMachine()
        let model = Model(machine: machine)
        model.tell = self.tell
        let disk = SimulatedDisk(seed: self.plan.seed ^ 0xD15C, capacity: self.plan.diskSize)
        disk.supportsDirect = self.plan.supportsDirect
        let absences = Absences(
            disk, model, folder: SimulatedNode.directory,
            refusedRests: [self.plan.refusedRest, self.plan.backupRefusedRest].compactMap { $0 })
        disk.isLocked = SimulatedNode.isLocked
        disk.watchers.onName = { from, to in self.count(from, to, model) }
        disk.watchers.onVanished = { file, isNewest in
            absences.removed(file)
            guard isNewest else { return }
            model.isNewestLost = true
            if let base = model.unmarked { model.mayLose(from: base) }
        }
        disk.watchers.onTruncate = { path, size in
            // Two blocks of header, one of footer.
            guard size == 3 * 4096, path.hasPrefix("\(SimulatedNode.directory)/setaside/"), path.hasSuffix(".segment") else { return }
            model.coverage.hit("sweep: a segment behind one that is needed is cut to its header")
        }
        let clusters = Clusters(self.plan)
        let log = LogCapture()
        defer { log.close() }
        var read = 0
        model.catchUp = { [unowned model] in
            let records = log.records
            defer { read = records.count }
            model.read(Array(records[read...]))
        }
        var steps = 0
        var hasCrashed = false, haveSideLogsCrashed = false
        var crashedAt: UInt64 = 0
        var copies: Set<String> = []
        for (number, planned) in self.plan.lives.enumerated() {
            let isLast = number == self.plan.lives.count - 1
            let life = self.atLeast(planned, number, disk, model)
            self.count(life, after: number > 0 ? self.plan.lives[number - 1] : nil, model)
            self.damage(life, disk, model, absences, crashedAt: hasCrashed ? crashedAt : nil, haveSideLogsCrashed, &copies)
            absences.before(number, of: self.plan.lives.count, life.absence?.absence)
            self.damageBoth(disk, model, failsReads: life.faults.contains { $0.fault.kind.failsReads })
            self.countCursors(life, disk, model)
            if life.faults.contains(where: { $0.fault.kind.damages }) { model.damaged() }
            let struck = disk.coverage
            model.began()
            model.findAside {
                disk.files.filter { $0.hasPrefix("\(SimulatedNode.directory)/setaside/") && $0.hasSuffix(".segment") }.compactMap { file in
                    RoundPlan.Line.delivery(ofSideLog: file).flatMap { delivery in disk.contents(of: file).map { (delivery, $0) } }
                }
            }
            model.hasMissedReads = {
                disk.coverage.counts.contains { Self.missesReads.contains($0.key) && struck.counts[$0.key] != $0.value }
            }
            if isLast { disk.heal() }
            clusters.reset(isLast: isLast)
            let begun = log.records.count
            let process = SimulatedProcess(machine: machine, seed: self.plan.seed &+ UInt64(number) &* 0x9E37)
            disk.attach(process, faults: life.faults.map(\.fault), death: life.death?.death)
            let node = SimulatedNode(self.plan, life, process, disk, model, clusters, isLast: isLast)
            let ending = process.run { await node.main() }
            steps += process.steps
            self.tell?(
                "life \(number + 1): \(ending), \(disk.calls) calls, \(process.steps) jobs, time \(machine.now / 1_000_000) ms, log of:")
            for record in log.records[begun...] {
                self.tell?("  \(record.label): \(record.message) \(record.data.map { "\($0.key)=\($0.value)" })")
            }
            clusters.tell(model)
            model.ended()
            let isUnclean = self.end(ending, disk, model)
            if let tell = self.tell { Inspector(disk, model, life.lines, isBesideNode: false).describe().forEach(tell) }
            // A start that came to nothing has written no mark.
            if isUnclean, node.hasOpened || !hasCrashed { crashedAt = machine.now }
            hasCrashed = isUnclean || hasCrashed && (node.refusal != nil || !node.hasOpened)
            // A command to a node that is down opens the spool alone.
            haveSideLogsCrashed = hasCrashed || haveSideLogsCrashed && life.forgetsStopped != nil
            for intrusion in disk.intrusions { model.violate("\(intrusion), which was away") }
            if let refusal = node.refusal { self.refused(refusal, hasStruck: disk.coverage != struck, isLast, disk, model) }
            absences.check()
            if life.looksAfter != nil || isLast { Inspector(disk, model, life.lines, isBesideNode: false).look() }
            if !model.violations.isEmpty { break }
        }
        if model.violations.isEmpty { model.checkStillTold() }
        if model.violations.isEmpty { model.checkAllArrived() }
        model.coverage.add(disk.coverage)
        self.checkLeast(disk, model)
        model.coverage.hit("events delivered twice", model.repeats)
        model.coverage.hit("events acknowledged", model.acknowledged)
        return Outcome(
            seed: self.plan.seed, violations: model.violations, coverage: model.coverage, traceHash: machine.traceHash,
            acknowledged: model.acknowledged, steps: steps)
    }

    /// Faults with which a start may not find what is settled ahead of a cursor.
    private static let missesReads = Set(
        [DiskFault.Kind.badSector, .readFails, .tooManyFiles, .fileVanishes, .folderAway].map { "fault.\($0.rawValue)" })

    /// What happens to the folder before a start.
    private func damage(
        _ life: RoundPlan.Life, _ disk: SimulatedDisk, _ model: Model, _ absences: Absences, crashedAt: UInt64?,
        _ haveSideLogsCrashed: Bool, _ copies: inout Set<String>
    ) {
        let folder = SimulatedNode.directory
        let newest = OnDisk(disk, log: "\(folder)/spool").segments.last { $0.header != nil }
        guard let damage = life.damage?.damage, let file = damage.apply(to: disk, folder: folder, copies: copies) else { return }
        model.isNewestLost = model.isNewestLost || file == newest?.path && damage.kind != .flippedBit
        model.coverage.hit("damage: \(damage.kind.rawValue)")
        model.coverage.hit("damaged: \(damage.target.rawValue)")
        model.damaged()
        if damage.kind == .lostFolder {
            model.folderLost = file
            absences.removed(folder: file)
        } else {
            absences.removed(file)
        }
        if damage.kind == .strayCopy { copies.insert(file) }
        if damage.kind == .foreignFile { model.foreignFile = file }
        // The last groups before a crash, which no mark covers yet, look torn when they are damaged. Anything else is seen.
        let tail = disk.files.last { $0.hasPrefix("\(folder)/spool/") && $0.hasSuffix(".segment") && !copies.contains($0) }
        if let crashedAt, file == tail, damage.kind == .flippedBit || damage.kind == .shortenedFile {
            model.damagedAfterCrash(at: crashedAt, markAge: 3_000_000_000)
        }
        if haveSideLogsCrashed, let delivery = RoundPlan.Line.delivery(ofSideLog: file) { model.mayLoseAside(of: delivery) }
        self.tell?("damage: \(damage) to \(file)")
    }

    /// With the newest segment and the mark both gone, before a start has seen either, nothing tells that there was more than is left, but
    /// for a cursor that has passed all that is left, and a file that can't be read.
    ///
    /// - Parameter failsReads: the start may not read the mark, or the newer half of it.
    private func damageBoth(_ disk: SimulatedDisk, _ model: Model, failsReads: Bool) {
        let spool = OnDisk(disk, log: "\(SimulatedNode.directory)/spool")
        guard !spool.hasWholeMark || failsReads else { return }
        guard let newest = spool.segments.last else {
            if model.isNewestLost, spool.highestCursor == 0 { model.mayLose(from: 0) }
            return
        }
        guard let header = newest.header else { return }
        model.unmarked = header.base
        guard model.isNewestLost else { return }
        if let end = spool.sealedEnd(newest.path) {
            if spool.highestCursor <= end { model.mayLose(from: end) }
        } else {
            model.mayLose(
                from: max(header.base, spool.highestCursor, model.end(in: disk.contents(of: newest.path) ?? [], from: header.base)))
        }
    }

    /// A line that was renamed, and of whose names none has a cursor any more, gets one that counts only what comes under the name it has.
    private func countCursors(_ life: RoundPlan.Life, _ disk: SimulatedDisk, _ model: Model) {
        let spool = OnDisk(disk, log: "\(SimulatedNode.directory)/spool")
        for line in life.configured where life.lines[line].names.count > 1 && !life.lines[line].names.contains(where: spool.hasCursor) {
            model.hasNoCursor(line: line)
        }
    }

    /// What every round must have, whatever its dice said: a fault that struck, and segments that were rolled.
    private func atLeast(_ planned: RoundPlan.Life, _ number: Int, _ disk: SimulatedDisk, _ model: Model) -> RoundPlan.Life {
        var life = planned
        let left = self.plan.lives.count - 1 - number
        guard self.plan.isWhole, left <= 1 else { return life }
        if left == 1, disk.coverage.counts.isEmpty { life.faults.append((0, DiskFault(kind: .clockJumps, call: 1, count: 1))) }
        if left == 1, life.death == nil, Self.deaths(model) == 0 {
            life.death = (0, DiskDeath(kind: DiskDeath.Kind.allCases[Int(self.plan.seed % 2)], call: 10))
        }
        let rolled = model.coverage.counts[Self.rolled, default: 0]
        if left == 0, rolled < Self.leastRolled {
            let line = life.configured[0]
            for _ in rolled..<Self.leastRolled {
                let event = RoundPlan.Event(line: line, topic: 0, key: 0, size: self.plan.segmentSize)
                life.requests.append(RoundPlan.Request(item: 0, producer: 0, pause: 0, events: [event]))
            }
        }
        return life
    }

    private static let rolled = "segments begun"
    private static let leastRolled = 4

    private static func deaths(_ model: Model) -> Int {
        ["kill", "powerCut", "the disk broke its word"].reduce(0) { $0 + model.coverage.counts["end: \($1)", default: 0] }
    }

    private func checkLeast(_ disk: SimulatedDisk, _ model: Model) {
        guard self.plan.isWhole, model.violations.isEmpty else { return }
        let lines = self.plan.lives.last?.lines ?? []
        func count(_ name: String) -> Int { model.coverage.counts[name, default: 0] }
        let requests = self.plan.lives.reduce(0) { $0 + $1.requests.count }
        let least: [Bool] = [
            lines.count >= 3, Set(lines.map(\.cluster)).count == 2, requests >= 200, count(Self.rolled) >= Self.leastRolled,
            self.plan.lives.count >= 3, Self.deaths(model) > 0,
            !disk.coverage.counts.isEmpty,
        ]
        let isEnough = least.allSatisfy { $0 }
        model.coverage.hit(isEnough ? "rounds with all that one must have" : "rounds with less than one must have")
    }

    /// What is done to names tells which segments were begun, swept, or put aside.
    private func count(_ from: String, _ to: String?, _ model: Model) {
        if let to, to.hasSuffix(".segment"), to.contains("/segments/") {
            model.coverage.hit(to.hasPrefix("\(SimulatedNode.directory)/spool/") ? Self.rolled : "segments of side logs begun")
        }
        if let to, to.contains("/quarantine/") { model.coverage.hit("moved to quarantine") }
        if let to, to.contains("/forgotten/") { model.coverage.hit("side log given up") }
        guard from.hasSuffix(".segment") else { return }
        if let to, to.contains("/prepared-") { model.coverage.hit("sweep: a passed segment becomes the next one") }
        if to == nil, from.hasPrefix("\(SimulatedNode.directory)/setaside/") {
            model.coverage.hit("sweep: a segment of what was set aside goes")
        }
    }

    /// - Returns: whether it was no clean stop.
    private func end(_ ending: SimulatedProcess.Ending, _ disk: SimulatedDisk, _ model: Model) -> Bool {
        switch ending {
        case .ended:
            model.coverage.hit("end: ended")
            disk.detach()
            return false
        case .died(let reason):
            model.coverage.hit("end: \(reason.prefix { $0 != ":" })")
            if reason == DiskDeath.Kind.powerCut.rawValue { disk.cutPower() } else { disk.detach() }
        case .stuck(let reason):
            model.violate("the process is stuck: \(reason)")
            disk.detach()
        }
        return true
    }

    /// A start may be refused for what strikes it just then, never for what a start has to live with.
    private func refused(_ error: ForebayError, hasStruck: Bool, _ isLast: Bool, _ disk: SimulatedDisk, _ model: Model) {
        model.coverage.hit("start refused: \(error.code)")
        self.tell?("the start was refused: \(error)")
        if error.description.contains(" is a copy of "), let foreign = model.foreignFile {
            // All that says which log it is came from another one: an operator does what the refusal says.
            model.coverage.hit("a file of another log is moved away")
            guard let delivery = RoundPlan.Line.delivery(ofSideLog: foreign) else { return disk.lose(foreign) }
            // Others of that log may have been made anew as the other one's: all of it is.
            model.mayLoseAside(of: delivery)
            // A start may have given it another name since.
            let words = error.description.split { " ,:".contains($0) }
            let named = words.first { RoundPlan.Line.delivery(ofSideLog: "\($0)/registry") == delivery }
            return disk.lose(folder: named.map(String.init) ?? foreign.split(separator: "/").prefix(3).map { "/\($0)" }.joined())
        }
        if !hasStruck || isLast { model.violate("the node does not start: \(error)") }
    }

    private func count(_ life: RoundPlan.Life, after before: RoundPlan.Life?, _ model: Model) {
        if !self.plan.usesKafka, !life.troubles.isEmpty { model.coverage.hit("cluster away") }
        if !life.removed.isEmpty { model.coverage.hit("start with a removed route") }
        guard let before else { return }
        let (old, new) = (Set(before.configured), Set(life.configured))
        if life.lines.count > before.lines.count { model.coverage.hit("route added") }
        if !old.subtracting(new).isEmpty { model.coverage.hit("route removed") }
        if new.subtracting(old).contains(where: { $0 < before.lines.count }) { model.coverage.hit("route back") }
        if zip(before.lines, life.lines).contains(where: { $0.name != $1.name }) { model.coverage.hit("route renamed") }
        if before.configured != life.configured, old == new { model.coverage.hit("routes reordered") }
        self.countMirrors(life, after: before, model)
    }
}
