/// What the shell hears. Fixed by the contract, after sysexits.
enum ExitCode: Int32 {
    case ok = 0
    /// It failed, or a check found something.
    case failure = 1
    case usage = 64
    /// Something that is needed can't be reached.
    case unavailable = 69
    /// Our mistake.
    case internalError = 70
    /// It is not for this user to do.
    case noPermission = 77
    case configurationInvalid = 78
}

/// Ends a command with a message and a code.
struct CommandFailure: Error {
    let code: ExitCode
    let message: String

    init(_ code: ExitCode, _ message: String) {
        self.code = code
        self.message = message
    }
}
