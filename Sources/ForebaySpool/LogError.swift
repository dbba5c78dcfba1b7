import ForebayCore

extension ForebayError {
    /// Nothing more goes into a log that was closed: the node is stopping. Room has nothing to do with it.
    static let closed = ForebayError(.unavailable, recovery: .retry, "the log is closed")

    /// What is there is none of our logs, or of a format that this version doesn't know.
    static func plain(_ message: String) -> ForebayError {
        ForebayError(.spoolUnreadable, recovery: .stop, message)
    }
}
