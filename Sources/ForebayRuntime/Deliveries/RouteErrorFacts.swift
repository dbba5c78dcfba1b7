import ForebayAdmin
import ForebayCore

extension RouteError {
    /// What a stage that runs tells of itself, in its facts `error_code`, `error_reason`, `error_advice`, `error_since`; or why it doesn't.
    ///
    /// A side log that takes nothing, so that a cursor waits, is told of in `room_code` and so on; a partition that stands still while
    /// others move in `stall_code` and so on; a topic that can't be set aside, because too many are, in `set_aside_limit_code` and so on.
    ///
    /// - Parameters:
    ///   - backingOff: which topics it backs off from, and why, where it does.
    ///   - drains: that deliver what the route has set aside.
    init?(of stage: StageReport?, backingOff: String?, drains: [StageReport] = []) {
        guard let stage else { return nil }
        if let error = Self.told("error", by: stage) ?? ([stage] + drains).lazy.compactMap({ Self.told("room", by: $0) }).first {
            self = error
        } else if let limit = Self.told("set_aside_limit", by: stage) {
            self = limit
        } else if let backingOff {
            self.init(reason: backingOff)
        } else if let stall = Self.told("stall", by: stage) {
            self = stall
        } else if stage.state != .running, let error = stage.lastError {
            // What ended an earlier run of a stage that runs again is history.
            self.init(reason: error, since: stage.since)
        } else {
            return nil
        }
    }

    private static func told(_ kind: String, by stage: StageReport) -> RouteError? {
        let facts = Dictionary(stage.facts.map { ($0.name, $0.value) }) { first, _ in first }
        func text(_ name: String) -> String? {
            guard case .text(let text)? = facts["\(kind)_\(name)"], !text.isEmpty else { return nil }
            return text
        }
        guard text("code") != nil || text("reason") != nil else { return nil }
        let since: Int64? = if case .number(let number)? = facts["\(kind)_since"] { number } else { nil }
        return RouteError(code: text("code"), reason: text("reason") ?? "", advice: text("advice"), since: since)
    }
}
