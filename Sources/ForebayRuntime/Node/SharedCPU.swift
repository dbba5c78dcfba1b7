import ForebayCore
import ForebayNet
import ForebayTelemetry

/// On a machine of two CPUs, keeps the edge thread and the commit thread together on one of them while there is load.
///
/// The two take turns: each commit begins with a word from one to the other and ends with one back. Left to itself the scheduler often
/// puts the commit thread beside the clients, behind which it waits for 100 us and more while the other CPU idles. (Measured: 128
/// connections with single POSTs, 87,000/s apart and 102,000 to 107,000 together, of nginx 0.67 and 0.79 to 0.86.)
/// With more CPUs there is mostly an idle one, and nothing is done.
// Safe because: it is only touched on the edge loop's thread, where its timer runs.
final class SharedCPU: @unchecked Sendable {
    private static let interval = 1000
    private let cpus: [Int]
    private let edge: Int32
    private let commit: Int32
    private let logger = Logger(label: "node")
    private var state = SharedCPUState()

    /// Begins to watch. On the edge loop.
    static func watch(edge: EventLoop, commit: Int32) {
        let cpus = CPUAffinity.allowed
        guard cpus.count == 2, commit != 0 else { return }
        let shared = SharedCPU(cpus: cpus, edge: ThreadID.current, commit: commit)
        edge.timer(every: Self.interval) { shared.look() }
    }

    private init(cpus: [Int], edge: Int32, commit: Int32) {
        self.cpus = cpus
        self.edge = edge
        self.commit = commit
    }

    private func look() {
        guard let edge = Self.usage(of: self.edge), let commit = Self.usage(of: self.commit) else { return }
        switch self.state.next(edge: edge, commit: commit, elapsed: UInt64(Self.interval) * 1_000_000) {
        case .stay: return
        case .share:
            guard let cpu = Self.lastCPU(of: self.commit), self.cpus.contains(cpu) else {
                self.state = SharedCPUState()  // They do not share one: look again.
                return
            }
            self.place(on: [cpu])
        case .part: self.place(on: self.cpus)
        }
    }

    private func place(on cpus: [Int]) {
        for thread in [self.edge, self.commit] { CPUAffinity.keep(thread, on: cpus) }
        self.logger.debug("edge and commit threads may run on", ["cpus": cpus.map(String.init).joined(separator: ",")])
    }

    /// The scheduler's own account of a thread, in nanoseconds since its start.
    private static func usage(of thread: Int32) -> ThreadUsage? {
        let numbers = ProcFile.text(of: "/proc/self/task/\(thread)/schedstat").split(separator: " ").compactMap { UInt64($0) }
        return numbers.count >= 2 ? ThreadUsage(ran: numbers[0], waited: numbers[1]) : nil
    }

    /// The CPU on which a thread ran last. For the commit thread that is mostly the one to which the disk's interrupts go.
    private static func lastCPU(of thread: Int32) -> Int? {
        let fields = ProcFile.text(of: "/proc/self/task/\(thread)/stat").split(separator: ")").last?.split(separator: " ") ?? []
        return fields.count > 36 ? Int(fields[36]) : nil  // The 39th of all; fields are counted from the end of the name, the 2nd.
    }
}

/// How long a thread ran, and waited for a CPU though it could have run, in nanoseconds.
struct ThreadUsage: Equatable {
    var ran: UInt64
    var waited: UInt64
}

/// Decides when the two threads share a CPU.
///
///     apart --both work--> shared --the edge starves, twice in a row--> resting --a minute--> apart
///
/// Starving means that somebody else is bound to that CPU, or has a higher priority there, and that the other one is to be had.
struct SharedCPUState {
    enum Action: Equatable { case stay, share, part }
    private enum Phase { case apart, shared(starved: Int), resting(looks: Int) }

    static let rest = 60
    private var phase = Phase.apart
    private var last: (edge: ThreadUsage, commit: ThreadUsage)?

    /// - Parameters:
    ///   - edge: of the edge thread, since its start.
    ///   - elapsed: nanoseconds between two calls.
    mutating func next(edge: ThreadUsage, commit: ThreadUsage, elapsed: UInt64) -> Action {
        defer { self.last = (edge, commit) }
        guard let last else { return .stay }
        switch self.phase {
        case .apart:
            let bothWork = edge.ran &- last.edge.ran > elapsed / 10 && commit.ran &- last.commit.ran > elapsed / 100
            guard bothWork else { return .stay }
            self.phase = .shared(starved: 0)
            return .share
        case .shared(let starved):
            guard edge.waited &- last.edge.waited > elapsed / 2 else {
                self.phase = .shared(starved: 0)
                return .stay
            }
            guard starved == 1 else {
                self.phase = .shared(starved: 1)
                return .stay
            }
            self.phase = .resting(looks: Self.rest)
            return .part
        case .resting(let looks):
            self.phase = looks > 1 ? .resting(looks: looks - 1) : .apart
            return .stay
        }
    }
}
