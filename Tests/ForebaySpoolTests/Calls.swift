import ForebayCore
import ForebaySpool
import ForebayTestKit
import Foundation
import Glibc
import Synchronization
import Testing

/// A real disk whose calls are written down, and fail where a test says so: `write cursors/forward.a`.
final class WatchedDisk: Sendable {
    let disk = FaultDisk()
    let directory = NSTemporaryDirectory() + "forebay-watched-" + UUID().uuidString
    private struct State {
        var calls: [String] = []
        var failing: (@Sendable (String) -> Int32?)?
    }

    private let state = Mutex(State())

    init() {
        // Made by the caller's own disk: nothing of it is written down.
        try? SystemDisk().makeFolder(self.directory)  // A test without its folder fails by itself.
        self.disk.fail { [weak self] call, path in self?.noted(call, path) }
    }

    deinit { try? FileManager.default.removeItem(atPath: self.directory) }  // Cleaning up is a courtesy.

    /// Calls that change something or make it durable, in order, since the last time.
    func calls() -> [String] {
        self.state.withLock { state in
            defer { state.calls = [] }
            return state.calls.filter { call in
                !["read ", "space ", "entries ", "list ", "openFolder ", "hasName "].contains { call.hasPrefix($0) }
            }
        }
    }

    /// The `errno` for a call, by its text; none: nothing fails.
    func fail(_ failing: (@Sendable (String) -> Int32?)?) { self.state.withLock { $0.failing = failing } }

    private func noted(_ call: FaultDisk.Call, _ path: String) -> Int32? {
        let name = path.hasPrefix(self.directory) ? String(path.dropFirst(self.directory.count + 1)) : path
        let text = "\(call) \(name.isEmpty ? "." : name)"
        let failing = self.state.withLock { state in
            state.calls.append(text)
            return state.failing
        }
        return failing?(text)
    }
}

/// What a log does when the disk breaks its word: told here, and whoever did so stands still for ever, as the process would end.
final class BrokenWord: Sendable {
    let told = Happenings<ForebayError>()

    func callAsFunction(_ error: ForebayError) -> Never {
        self.told.add(error)
        while true { pause() }
    }

    /// Runs what ends so, on a thread that is given up then.
    func happens(in body: @escaping @Sendable () -> Void) async -> ForebayError.Code? {
        let ended = Happenings<ForebayError.Code?>()
        Thread.detachNewThread {
            body()
            ended.add(nil)
        }
        Task.detached {
            await self.told.wait(forCount: 1)
            ended.add(self.told.all[0].code)
        }
        await ended.wait(forCount: 1)
        if ended.all[0] == nil { self.told.add(ForebayError(.injected, recovery: .stop, "so that nobody waits")) }
        return ended.all[0]
    }
}

extension ManualClock {
    /// The time of whoever tries again comes; not that of cursors, nor the mark's.
    func passRetry() async {
        #expect(await eventually { self.remaining.contains { $0 <= .seconds(1) } }, "nobody tries again")
        self.advance(by: .seconds(1))
    }
}
