import ForebayHTTP
import ForebayTelemetry
import Glibc

/// The limit of open files: raised to what the system allows, since each connection needs one.
package enum OpenFiles {
    /// - Returns: the limit in force.
    @discardableResult
    package static func raiseLimit() -> Int {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 1024 }
        if limit.rlim_cur < limit.rlim_max {
            limit.rlim_cur = limit.rlim_max
            setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        }
        return Int(clamping: limit.rlim_cur)
    }

    /// Says at the start what is left of the producers' connections, where it is fewer than configured.
    static func tell(_ openFiles: Int, _ caps: HTTPCaps) {
        let left = caps.fitting(openFiles: openFiles)
        guard left.connections < caps.connections else { return }
        Logger(label: "node").warning(
            "the limit of open files leaves fewer connections than limits.connections: raise it (ulimit -n, LimitNOFILE)",
            [
                "open_files": "\(openFiles)", "limits.connections": "\(caps.connections)", "connections": "\(left.connections)",
                "connections_per_address": "\(left.connectionsPerAddress)",
            ])
    }

    /// Fewer, and Swift's own runtime can't start its threads: it ends the process without a word.
    package static let fewest = 32
}
