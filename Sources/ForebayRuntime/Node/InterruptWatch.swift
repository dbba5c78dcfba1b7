import ForebayNet
import Glibc

/// Tells of the first SIGINT or SIGTERM, on a thread of its own: for commands that block.
package enum InterruptWatch {
    /// - Parameter interrupted: what to do; the process goes on if it returns.
    package static func begin(_ interrupted: @escaping @Sendable () -> Void) async throws {
        let loop = try EventLoop(label: "fb-interrupt")
        try await loop.perform {
            for number in [SIGINT, SIGTERM] { _ = try loop.signal(number) { interrupted() } }
        }
    }
}
