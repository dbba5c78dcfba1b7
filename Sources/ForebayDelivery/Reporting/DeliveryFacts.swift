import ForebayCore
import ForebayKafka
import ForebayTelemetry
import Synchronization

/// What `status` shows of a forward stage.
struct DeliveryFacts {
    var totals = DeliveryState.Totals()
    var inFlight = 0
    /// None: this stage does not watch it, or has no answer yet.
    var isUp: Bool?
    /// What the target calls itself, once it has said so.
    var clusterID: String?
    /// Why the target takes nothing, with what to do about it.
    var trouble: (failure: KafkaFailure, advice: String?, since: Int64)?
    /// What the cursor waits for that can't be written: which log, why, and since when, in ms since 1970.
    var roomWants: [RoomWant] = []
    var inFlightBytes = 0
    /// On their way into the set-aside log.
    var settingAside = 0
    /// Topics that take nothing now, with the reason; the first few.
    var backingOff: [String] = []
    /// One that can't be set aside either, since too many topics are.
    var bounded: (topic: String, failure: KafkaFailure, advice: String?)?
    /// A partition that stands still while the cluster answers, with what to do about it; and since when, in ms since 1970.
    var stall: (stall: StallWatch.Stall, reason: String, advice: String?, since: Int64)?
    /// Topics that wait because a broker refuses the time of acceptance; the first few.
    var refusedTimes: [String] = []

    var facts: [Fact] {
        var facts = [
            Fact("delivered", .number(Int64(self.totals.delivered))), Fact("redelivered", .number(Int64(self.totals.redelivered))),
            Fact("dead_letters", .number(Int64(self.totals.deadLetters))), Fact("in_flight", .number(Int64(self.inFlight))),
            Fact("in_flight_bytes", .number(Int64(self.inFlightBytes))), Fact("setting_aside", .number(Int64(self.settingAside))),
        ]
        if let isUp { facts.append(Fact("target_up", .flag(isUp))) }
        if let clusterID { facts.append(Fact("cluster_id", .text(clusterID))) }
        if let (failure, advice, since) = self.trouble {
            facts.append(Fact("error_code", .text("\(failure.code)")))
            facts.append(Fact("error_reason", .text(failure.reason)))
            if let advice { facts.append(Fact("error_advice", .text(advice))) }
            facts.append(Fact("error_since", .number(since)))
        }
        if let want = self.roomWants.min(by: { $0.since < $1.since }) {
            facts.append(Fact("room_code", .text("\(want.error.code)")))
            facts.append(Fact("room_reason", .text("\(want.log.trouble): \(want.error)")))
            facts.append(Fact("room_advice", .text(want.advice)))
            facts.append(Fact("room_since", .number(want.since)))
        }
        if let (topic, failure, advice) = self.bounded {
            facts.append(Fact("set_aside_limit_code", .text("\(failure.code)")))
            facts.append(
                Fact(
                    "set_aside_limit_reason", .text("too many topics are set aside to add \(topic), so the route waits: \(failure.reason)"))
            )
            let remedy =
                "stop the producer that makes up topic names; deliver some of what is set aside (forebay setaside ls), and the route goes on"
            facts.append(Fact("set_aside_limit_advice", .text(advice.map { "\(remedy); or \($0)" } ?? remedy)))
        }
        if let (stall, reason, advice, since) = self.stall, self.isUp == true {
            facts.append(Fact("stall_code", .text("\(stall.code)")))
            facts.append(Fact("stall_reason", .text(reason)))
            if let advice { facts.append(Fact("stall_advice", .text(advice))) }
            facts.append(Fact("stall_since", .number(since)))
        }
        if !self.backingOff.isEmpty { facts.append(Fact("backing_off", .text(self.backingOff.joined(separator: "; ")))) }
        if !self.refusedTimes.isEmpty { facts.append(Fact("times_refused", .text(self.refusedTimes.joined(separator: ", ")))) }
        return facts
    }
}
