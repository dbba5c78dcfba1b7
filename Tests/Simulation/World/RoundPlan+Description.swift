import ForebayTestKit

extension DiskFault.Kind {
    /// Whether events may be lost by it.
    var damages: Bool { self.failsReads || self == .fileVanishes }

    var failsReads: Bool { self == .badSector || self == .readFails }
}

extension RoundPlan: CustomStringConvertible {
    package var description: String {
        var lines = [
            "seed \(self.seed): segments of \(self.segmentSize >> 10) KiB, max_size \(self.maxSize >> 10) KiB, disk \(self.diskSize >> 10) KiB,"
                + " O_DIRECT \(self.supportsDirect), recent \(self.recentBytes >> 10) KiB, shared \(self.sharedReadBytes >> 10) KiB, prepares \(self.preparesNext),"
                + " Kafka \(self.usesKafka), refused \(self.refusedRest.map { "rest \($0)" } ?? "none")"
        ]
        if self.hasMirrors {
            let refused = self.backupRefusedRest.map { ", refused there rest \($0)" } ?? ""
            let mirrors = self.mirrors.sorted { $0.key < $1.key }.map { "[\($0.value)] of \(Line.firstName($0.key))" }
            lines.append("  mirrors \(mirrors.joined(separator: ", "))\(refused)")
        }
        for (number, life) in self.lives.enumerated() {
            let routes = life.configured.map { life.lines[$0].names.joined(separator: "<") + (life.lines[$0].isMirrored ? "+mirror" : "") }
            let what = life.forgetsStopped.map { "[\($0.item)] forgets the \($0.place)th removed delivery; configured are" } ?? "routes"
            lines.append("  life \(number + 1): \(what) \(routes.joined(separator: " "))\(life.drains ? ", drains" : "")")
            if let forgetting = life.forgetting {
                let what = forgetting.forgetting
                lines.append("    [\(forgetting.item)] gives up the \(what.place)th removed delivery after \(what.after) ms")
            }
            if let damage = life.damage { lines.append("    [\(damage.item)] damage at rest: \(damage.damage)") }
            if let absence = life.absence {
                let which = absence.absence.isNewest ? "the newest segment" : "a segment"
                let log = absence.absence.isSetAside ? "a log of what is set aside" : "the spool"
                lines.append("    [\(absence.item)] \(which) of \(log) is away for \(absence.absence.lives) lives")
            }
            for fault in life.faults {
                lines.append(
                    "    [\(fault.item)] fault \(fault.fault.kind.rawValue) from call \(fault.fault.call), \(fault.fault.count) times")
            }
            for trouble in life.troubles { lines.append("    [\(trouble.item)] \(trouble.trouble)") }
            for request in life.requests.prefix(20) {
                let events = request.events.map { "\(life.lines[$0.line].name)/k\($0.key):\($0.size)" }
                lines.append(
                    "    [\(request.item)] producer \(request.producer) after \(request.pause) ms: \(events.joined(separator: " "))")
            }
            if life.requests.count > 20 { lines.append("    … \(life.requests.count - 20) requests more") }
            if let death = life.death { lines.append("    [\(death.item)] \(death.death)") }
        }
        return lines.joined(separator: "\n")
    }
}
