import ForebayCore
import ForebayTelemetry
import Glibc

/// The end of a process whose disk broke its word: a failed sync or write is never retried, because the kernel may have dropped the data
/// and say "ok" the next time. Nobody who waits is answered; the next start reads from the device what is really there.
enum DiskFailure {
    /// EX_SOFTWARE: restarting mends.
    static let exitCode: Int32 = 70

    /// At the end of a node whose disk does not answer: waiting longer would keep the process for as long as the disk hangs.
    static func leaveUnfinished() -> Never {
        Logger(label: "node").error(
            "the disk did not finish in time; leaving without it: what was answered 2xx is durable, what waited was answered 503, and the next "
                + "start mends", [:])
        LogSink.shared.flush()
        _exit(Self.exitCode)
    }

    static func leave(_ error: ForebayError) -> Never {
        Logger(label: "spool").error(
            "the disk failed to store what it was given; leaving at once: the next start mends it, or says what is in its way",
            ["error": error.description])
        LogSink.shared.flush()
        // Not `fatalError`: its backtrace would hold the restart up. Not `exit`: nothing more may be written.
        _exit(Self.exitCode)
    }
}
