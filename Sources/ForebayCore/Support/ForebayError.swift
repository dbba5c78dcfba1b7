/// Why something could not be done, and what its supervisor may do about it.
package struct ForebayError: Error, Sendable, CustomStringConvertible {
    /// A stable name for the failure. Compare codes; never match on the message.
    package struct Code: Hashable, Sendable, CustomStringConvertible, ExpressibleByStringLiteral {
        package let description: String

        package init(stringLiteral name: StaticString) {
            self.description = "\(name)"
        }
    }

    /// The instruction to the supervisor, chosen where the facts are known.
    package enum Recovery: Hashable, Sendable {
        /// The same stage may go on or be started again at once: nothing in it is suspect.
        case retry
        /// The stage is thrown away; a new one starts from the last committed cursor.
        case rewindAndRestart
        /// A restart can't mend it. The child stays down, its reason in `status`.
        case stop
    }

    package let code: Code
    package let recovery: Recovery
    package let message: String
    package let cause: (any Error)?

    package init(_ code: Code, recovery: Recovery, _ message: String, cause: (any Error)? = nil) {
        self.code = code
        self.recovery = recovery
        self.message = message
        self.cause = cause
    }

    package var description: String {
        "\(self.message)" + (self.cause.map { " (\($0))" } ?? "")
    }
}

extension ForebayError.Code {
    package static let configurationInvalid: Self = "configuration_invalid"
    package static let spoolFull: Self = "spool_full"
    package static let spoolLocked: Self = "spool_locked"
    package static let spoolUnreadable: Self = "spool_unreadable"
    /// What is to take something was closed: the node is stopping.
    package static let unavailable: Self = "unavailable"
    package static let syncFailed: Self = "sync_failed"
    package static let systemCall: Self = "system_call"
    package static let brokerUnavailable: Self = "broker_unavailable"
    package static let producerUnavailable: Self = "producer_unavailable"
    package static let brokerRefused: Self = "broker_refused"
    package static let authenticationFailed: Self = "authentication_failed"
    package static let linkFinished: Self = "link_finished"
    package static let addressInUse: Self = "address_in_use"
    package static let dataFolderUnsafe: Self = "data_folder_unsafe"
    package static let injected: Self = "injected"
}
