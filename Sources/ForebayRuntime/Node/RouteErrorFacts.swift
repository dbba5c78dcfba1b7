import ForebayAdmin
import ForebayCore

extension RouteError {
    /// What a stage that runs tells of itself, in its facts `error_code`, `error_reason`, `error_advice`, `error_since`; or why it doesn't.
    ///
    /// - Parameter held: why it holds everything back, where it does.
    init?(of stage: StageReport?, held: String?) {
        guard let stage else { return nil }
        let facts = Dictionary(stage.facts.map { ($0.name, $0.value) }) { first, _ in first }
        func text(_ name: String) -> String? {
            guard case .text(let text)? = facts[name], !text.isEmpty else { return nil }
            return text
        }
        if text("error_code") != nil || text("error_reason") != nil {
            let since: Int64? = if case .number(let number)? = facts["error_since"] { number } else { nil }
            self.init(code: text("error_code"), reason: text("error_reason") ?? "", advice: text("error_advice"), since: since)
        } else if let held {
            self.init(reason: held)
        } else if stage.state != .running, let error = stage.lastError {
            // What ended an earlier run of a stage that runs again is history.
            self.init(reason: error, since: stage.since)
        } else {
            return nil
        }
    }
}
