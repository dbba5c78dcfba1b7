package import ForebayCore
import Glibc

extension ForebayError {
    /// A call on the disk that failed.
    ///
    /// - Parameter number: its `errno`.
    package static func disk(_ call: String, _ path: String, _ number: Int32) -> ForebayError {
        let code: Code = number == ENOSPC || number == EDQUOT ? .spoolFull : .systemCall
        let whose = number == EACCES ? Self.otherOwner(of: path).map { ", which belongs to \($0)" } ?? "" : ""
        return ForebayError(code, recovery: .rewindAndRestart, "\(call) \(path)\(whose)", cause: SystemCallFailure(code: number))
    }

    /// Who has a file that this process may not open: mostly root, who ran something by hand.
    private static func otherOwner(of path: String) -> String? {
        var status = stat()
        guard lstat(path, &status) == 0, status.st_uid != geteuid() else { return nil }
        return UserName.of(status.st_uid) ?? "the user \(status.st_uid)"
    }

    package static func syncFailed(_ call: String, _ path: String, _ number: Int32) -> ForebayError {
        ForebayError(.syncFailed, recovery: .stop, "\(call) \(path)", cause: SystemCallFailure(code: number))
    }

    /// What was asked for is not there any more, and trying again won't bring it back. Only of what lies in a folder that is held: else its
    /// folder may be away for a moment (``Disk/holding(_:)``).
    var isLoss: Bool { self.systemCode == ENOENT || self.systemCode == EIO }

    /// The device did not give it. In a moment it may (``ReadPatience``).
    package var isUnread: Bool { self.systemCode == EIO }

    static func unread(_ path: String) -> ForebayError { .disk("read", path, EIO) }

    /// The `errno` of the call that failed, if it was one.
    var systemCode: Int32? { (self.cause as? SystemCallFailure)?.code }
}
