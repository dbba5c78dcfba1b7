import ForebayAdmin
import ForebayBuffer
import ForebayConfig
import ForebayCore
import ForebayDelivery
import ForebaySpool

extension RouteStatus {
    /// The row of one delivery.
    ///
    /// - Parameter stages: what all stages of the node tell of themselves.
    init(of delivery: KafkaDelivery, _ stages: [StageReport]) {
        let (source, setAside) = (delivery.source, delivery.setAside)
        func report(_ name: String) -> StageReport? { stages.first { $0.name == name } }
        let stage = report(DeliveryWay.direct.child(of: delivery.name))
        let drains = setAside.logs.compactMap { report(DeliveryWay.aside.child(of: $0.name)) }
        let lag = source.waiting
        let backingOff = stage?.facts.first { $0.name == "backing_off" }.flatMap { fact in
            if case .text(let text) = fact.value { text } else { nil }
        }
        self.init(
            route: delivery.name.route, stage: delivery.name.stage.rawValue, cluster: delivery.target.cluster,
            isRequired: delivery.target.isRequired, releasedEvents: delivery.releasedEvents,
            state: Self.state(stage, lag: lag, isBackingOff: backingOff != nil), cursor: source.cursor.number, lagEvents: lag,
            oldestEventAgeSeconds: source.oldestAge, inFlightEvents: Self.number("in_flight", stage),
            inFlightBytes: Self.number("in_flight_bytes", stage), deadLetters: delivery.deadLetters.count,
            deadLetterBytes: delivery.deadLetters.byteCount, setAside: setAside.explained,
            lastError: RouteError(of: stage, backingOff: backingOff, drains: drains))
    }

    private static func state(_ stage: StageReport?, lag: UInt64, isBackingOff: Bool) -> String {
        let isUp = stage?.facts.first { $0.name == "target_up" }?.value == .flag(true)
        let hasRoom = stage?.facts.contains { $0.name == "room_code" } == false
        return switch stage?.state {
        case .running?: lag == 0 ? "idle" : isUp && !isBackingOff && hasRoom ? "delivering" : "waiting"
        case .stopped?: "down"
        default: "restarting"
        }
    }

    private static func number(_ name: String, _ stage: StageReport?) -> Int {
        guard case .number(let number)? = stage?.facts.first(where: { $0.name == name })?.value else { return 0 }
        return Int(number)
    }
}
