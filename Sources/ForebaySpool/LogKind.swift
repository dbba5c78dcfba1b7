/// What a log is for, and so what it may take and when its segments go.
package enum LogKind: String, Sendable {
    /// A segment goes when every cursor is durably past it.
    case spool
    /// A segment goes when every letter in it was removed by command, in any order of segments.
    case deadLetters = "deadletters"
    /// A segment goes when every unit with frames in it is durably past those, in any order of segments.
    case setAside = "setaside"

    /// In words.
    var contents: String {
        switch self {
        case .spool: "the spool's events"
        case .deadLetters: "dead letters"
        case .setAside: "what was set aside"
        }
    }

    /// Beside the spool: it may use the reserve, and makes nothing ready ahead.
    var isSideLog: Bool { self != .spool }
}
