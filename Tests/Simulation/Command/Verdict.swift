/// What a violation comes down to.
enum Verdict: String, CaseIterable {
    case lost = "events lost", falseAlarm = "a false alarm", silent = "silent damage", other = "anything else wrong"

    init(of violation: String) {
        if violation.contains("in silence") {
            self = .silent
        } else if violation.contains("never arrived") {
            self = .lost
        } else if violation.contains("false alarm") || violation.contains("are said to be lost") {
            self = .falseAlarm
        } else if ["another value", "has the id", "was given to event", "never sent", "delivered as"].contains(where: violation.contains) {
            self = .silent
        } else {
            self = .other
        }
    }
}
