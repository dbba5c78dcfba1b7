import ForebayCore
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

    /// The names that a run of many rounds must have hit.
    package static let required: [String] =
        DiskFault.Kind.allCases.map { "fault.\($0.rawValue)" } + DiskDeath.Kind.allCases.map { "end: \($0.rawValue)" }
        + Damage.Kind.allCases.map { "damage: \($0.rawValue)" }
        + Trouble.Kind.allCases.map { "trouble: \($0.rawValue)" }
        + [
            "dead letters", "log: set aside", "end: ended", "end: the disk broke its word", "refused: full", "refused: spool_full",
            "route added", "route removed",
            "route back",
            "route renamed", "routes reordered", "cluster away", "log: recovered after an unclean stop",
            "missing: the log ends below a mark",
            "missing: the checksum of a frame is wrong", "missing: a segment is gone", "missing: the oldest segments are gone",
        ]

    package func run() -> Outcome {
        let machine = SimulatedMachine()
        let model = Model(machine: machine)
        model.tell = self.tell
        let disk = SimulatedDisk(seed: self.plan.seed ^ 0xD15C, capacity: self.plan.diskSize)
        disk.supportsDirect = self.plan.supportsDirect
        let clusters = Clusters(self.plan)
        let log = LogCapture()
        defer { log.close() }
        var read = 0
        var steps = 0
        var hasCrashed = false
        for (number, life) in self.plan.lives.enumerated() {
            let isLast = number == self.plan.lives.count - 1
            self.count(life, after: number > 0 ? self.plan.lives[number - 1] : nil, model)
            if let damage = life.damage?.damage, let file = damage.apply(to: disk, folder: SimulatedNode.directory) {
                model.coverage.hit("damage: \(damage.kind.rawValue)")
                model.coverage.hit("damaged: \(damage.target.rawValue)")
                model.damaged()
                // The last groups before a crash, which no mark covers yet, look torn when they are damaged. Anything else is seen.
                let isTail =
                    file
                    == disk.files.last {
                        $0.hasPrefix("\(SimulatedNode.directory)/spool/") && $0.hasSuffix(".segment") && !$0.contains("/old-")
                            && !$0.contains("/9")
                    }
                if hasCrashed, isTail, damage.kind == .flippedBit || damage.kind == .shortenedFile {
                    model.damagedAfterCrash(markAge: 3_000_000_000)
                }
                if hasCrashed, !file.contains("/spool/") { model.mayLoseAside = true }
                self.tell?("damage: \(damage) to \(file)")
            }
            if life.faults.contains(where: { $0.fault.kind.damages }) { model.damaged() }
            if isLast { disk.heal() }
            clusters.reset(isLast: isLast)
            let process = SimulatedProcess(machine: machine, seed: self.plan.seed &+ UInt64(number) &* 0x9E37)
            disk.attach(process, faults: life.faults.map(\.fault), death: life.death?.death)
            let node = SimulatedNode(self.plan, life, process, disk, model, clusters, isLast: isLast)
            let ending = process.run { await node.main() }
            steps += process.steps
            clusters.tell(model)
            self.tell?(
                "life \(number + 1): \(ending), \(disk.calls) calls, \(process.steps) jobs, time \(machine.now / 1_000_000) ms, log of:")
            let records = log.records
            for record in records[read...] {
                self.tell?("  \(record.label): \(record.message) \(record.data.map { "\($0.key)=\($0.value)" })")
            }
            model.read(Array(records[read...]))
            read = records.count
            let isUnclean = self.end(ending, disk, model)
            hasCrashed = isUnclean || hasCrashed && node.refusal != nil
            if let refusal = node.refusal { self.refused(refusal, life, isLast, disk, model) }
            if !model.violations.isEmpty { break }
        }
        if model.violations.isEmpty { model.checkAllArrived() }
        model.coverage.add(disk.coverage)
        model.coverage.hit("events delivered twice", model.repeats)
        model.coverage.hit("events acknowledged", model.acknowledged)
        return Outcome(
            seed: self.plan.seed, violations: model.violations, coverage: model.coverage, traceHash: machine.traceHash,
            acknowledged: model.acknowledged, steps: steps)
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
    private func refused(_ error: ForebayError, _ life: RoundPlan.Life, _ isLast: Bool, _ disk: SimulatedDisk, _ model: Model) {
        model.coverage.hit("start refused: \(error.code)")
        self.tell?("the start was refused: \(error)")
        if disk.coverage == Coverage() || isLast || life.faults.isEmpty { model.violate("the node does not start: \(error)") }
    }

    private func count(_ life: RoundPlan.Life, after before: RoundPlan.Life?, _ model: Model) {
        if !self.plan.usesKafka, !life.troubles.isEmpty { model.coverage.hit("cluster away") }
        guard let before else { return }
        let (old, new) = (Set(before.configured), Set(life.configured))
        if life.lines.count > before.lines.count { model.coverage.hit("route added") }
        if !old.subtracting(new).isEmpty { model.coverage.hit("route removed") }
        if new.subtracting(old).contains(where: { $0 < before.lines.count }) { model.coverage.hit("route back") }
        if zip(before.lines, life.lines).contains(where: { $0.name != $1.name }) { model.coverage.hit("route renamed") }
        if before.configured != life.configured, old == new { model.coverage.hit("routes reordered") }
    }
}
