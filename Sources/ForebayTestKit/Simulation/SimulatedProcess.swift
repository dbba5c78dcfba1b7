package import ForebayCore
import Glibc
import Synchronization

/// A process whose threads, time and chance a seed decides: all its actors and tasks run on one thread, one job after the other.
///
/// Each actor has an executor of its own, and each of those is a queue; the seed picks whose head runs next. Jobs on the same *simulated*
/// thread never overlap; those of others run in the middle of a call that waits (``pause(nanoseconds:)``), as they would on a machine.
/// Now and then an actor is not woken for some milliseconds, as on a busy machine: what others were faster with has happened then.
///
/// It may die at any time, at a call in the middle of a job, too (``die(_:)``): its thread is then parked for ever with all that it
/// holds. So no code has to unwind for being killed. What it holds is leaked; that is what a killed process does, and a run of many rounds
/// ends its own process now and then.
package final class SimulatedProcess: @unchecked Sendable {  // Safe because: run on one thread, asked from another only when that stands.
    package enum Ending: Equatable, Sendable {
        /// Its main function returned.
        case ended
        /// Killed, or by its own decision (a disk that broke its word).
        case died(String)
        /// It will never end: nothing left to run, or not within the bounds.
        case stuck(String)
    }

    struct Entry {
        let job: UnownedJob
        /// None: isolated to nobody.
        let executor: SimulatedExecutor?
    }

    struct Timer {
        let due: UInt64
        let number: UInt64
        /// Where it fires; none: anywhere.
        let thread: Int?
        let fire: () -> Void
    }

    package let machine: SimulatedMachine
    private var chance: SplitMix
    private let chanceOfOthers: SimulatedChance
    private var queue: [Entry] = []
    private var timers: [Timer] = []
    private var lastTimer: UInt64 = 0
    private var lastExecutor = 0
    /// Executors whose jobs wait until a time, by number.
    private var held: [Int: UInt64] = [:]
    /// Simulated threads that are in a call, the outermost first.
    private var waiting: [Int] = []
    /// The simulated thread of what runs just now; none: a task that is isolated to nobody.
    private var current: Int?
    package private(set) var steps = 0
    private var stepLimit = 0
    private var timeLimit: UInt64 = 0
    private let foreign = Atomic<Int>(0)
    private var thread = pthread_t()
    private var isDone = false
    private var ending: Ending?
    private let gate = Gate()
    private let pool: SimulatedTaskExecutor

    /// Called before each job; may end the process between two (``die(_:)``).
    package var onStep: (() -> Void)?

    package init(machine: SimulatedMachine, seed: UInt64) {
        self.machine = machine
        var seeds = SplitMix(seed: seed)
        self.chance = SplitMix(seed: seeds.next())
        self.chanceOfOthers = SimulatedChance(seed: seeds.next())
        self.pool = SimulatedTaskExecutor()
        self.pool.process = self
    }

    package var surroundings: Surroundings {
        Surroundings(time: SimulatedTime(process: self), chance: self.chanceOfOthers, executors: SimulatedExecutors(process: self))
    }

    /// Where tasks go that are isolated to nobody.
    package var tasks: any TaskExecutor { self.pool }

    /// Runs it to its end, on a thread of its own, and waits for that.
    ///
    /// - Parameters:
    ///   - steps: jobs it may take.
    ///   - seconds: simulated ones.
    package func run(steps: Int = 1_000_000, seconds: Int = 3_600, _ main: @escaping @Sendable () async -> Void) -> Ending {
        self.stepLimit = steps
        self.timeLimit = self.machine.now + UInt64(seconds) * 1_000_000_000
        let body: () -> Void = { [self] in
            self.thread = pthread_self()
            Task.detached(executorPreference: self.pool) {
                await main()
                self.isDone = true
            }
            self.work()
            self.gate.open()
        }
        let context = Unmanaged.passRetained(Body(body)).toOpaque()
        let attributes = UnsafeMutablePointer<pthread_attr_t>.allocate(capacity: 1)
        defer { attributes.deallocate() }
        pthread_attr_init(attributes)
        pthread_attr_setstacksize(attributes, 2 << 20)
        pthread_attr_setdetachstate(attributes, Int32(PTHREAD_CREATE_DETACHED))
        var thread = pthread_t()
        let status = pthread_create(
            &thread, attributes,
            { context in
                Unmanaged<Body>.fromOpaque(context!).takeRetainedValue().run()
                return nil
            }, context)
        pthread_attr_destroy(attributes)
        precondition(status == 0, "no thread to be had")
        guard self.gate.wait(seconds: 120) else { return .stuck("a job takes more than 120 s of real time") }
        let foreign = self.foreign.load(ordering: .acquiring)
        if foreign > 0 { return .stuck("\(foreign) jobs came from threads outside the simulation") }
        return self.ending ?? .stuck("no ending")
    }

    /// It has ended; what it still does is only to free its memory.
    package var isOver: Bool { self.ending != nil }

    /// Whether the caller is the simulation's thread.
    package var isCurrent: Bool { pthread_equal(pthread_self(), self.thread) != 0 }

    /// Ends the process in the middle of whatever it does. Called on its own thread.
    package func die(_ reason: String) -> Never {
        precondition(self.isCurrent, "only the process itself can stand still in the middle of a call")
        if self.ending == nil { self.ending = .died(reason) }
        self.gate.open()
        while true { Glibc.pause() }
    }

    /// A call that takes its time: other threads go on meanwhile.
    package func pause(nanoseconds: UInt64) {
        let until = self.machine.now + nanoseconds
        guard self.isCurrent, self.waiting.count < 4, let thread = self.current else { return self.machine.now = until }
        self.waiting.append(thread)
        while self.machine.now < until, self.steps < self.stepLimit {
            if let entry = self.pick() {
                self.run(entry)
            } else if let timer = self.soonest(), timer.due < until {
                self.fire(timer)
            } else {
                self.machine.now = max(self.machine.now, until)
            }
        }
        self.waiting.removeLast()
        self.current = thread
    }

    // MARK: The run loop

    private func work() {
        while self.ending == nil {
            if self.isDone { return self.end(.ended) }
            if self.foreign.load(ordering: .relaxed) > 0 { return self.end(.stuck("a job came from another thread")) }
            if self.steps >= self.stepLimit { return self.end(.stuck("more than \(self.stepLimit) jobs")) }
            if self.machine.now >= self.timeLimit { return self.end(.stuck("simulated time is over")) }
            let isReady = self.hasReady
            if let timer = self.soonest(), timer.due <= self.machine.now || !isReady {
                // One that is due competes with what is ready.
                if isReady ? self.chance.next() & 3 == 0 : timer.due <= self.held.values.min() ?? .max {
                    self.fire(timer)
                    continue
                }
            }
            if !isReady, let until = self.held.values.min() {
                self.machine.now = max(self.machine.now, until)
                continue
            }
            guard let entry = self.pick() else { return self.end(.stuck("nothing left to run")) }
            self.run(entry)
        }
    }

    private var hasReady: Bool {
        if !self.held.isEmpty { self.held = self.held.filter { $0.value > self.machine.now } }
        return self.held.isEmpty ? !self.queue.isEmpty : self.queue.contains(where: self.mayRun)
    }

    private func mayRun(_ entry: Entry) -> Bool {
        guard let executor = entry.executor else { return true }
        return !self.waiting.contains(executor.thread) && (self.held[executor.number] ?? 0) <= self.machine.now
    }

    private func end(_ ending: Ending) {
        self.ending = ending
        guard ending == .ended else { return }
        self.held = [:]
        // What only has to learn that it is over does so and frees its memory; whatever would touch the disk dies there.
        var left = 10_000
        while left > 0, let entry = self.pick() {
            self.run(entry)
            left -= 1
        }
    }

    private func pick() -> Entry? {
        guard !self.queue.isEmpty else { return nil }
        var place = Int(self.chance.next() % UInt64(self.queue.count))
        if !self.waiting.isEmpty || !self.held.isEmpty {
            let open = self.queue.indices.filter { self.mayRun(self.queue[$0]) }
            guard !open.isEmpty else { return nil }
            place = open[place % open.count]
        }
        if let executor = self.queue[place].executor { place = self.queue.firstIndex { $0.executor === executor } ?? place }
        return self.queue.remove(at: place)
    }

    private func run(_ entry: Entry) {
        self.steps += 1
        self.machine.now += 1_000 + self.chance.next() % 8_000
        self.machine.note(UInt64(entry.executor?.number ?? 0))
        self.onStep?()
        self.current = entry.executor?.thread
        if let executor = entry.executor {
            entry.job.runSynchronously(on: executor.asUnownedSerialExecutor())
        } else {
            entry.job.runSynchronously(on: self.pool.asUnownedTaskExecutor())
        }
        self.current = nil
    }

    private func soonest() -> Timer? {
        var timers = self.timers
        if !self.waiting.isEmpty { timers.removeAll { $0.thread.map(self.waiting.contains) ?? false } }
        return timers.min { ($0.due, $0.number) < ($1.due, $1.number) }
    }

    private func fire(_ timer: Timer) {
        self.timers.removeAll { $0.number == timer.number }
        self.machine.now = max(self.machine.now, timer.due)
        self.machine.note(self.machine.now)
        self.current = timer.thread
        timer.fire()
        self.current = nil
    }

    // MARK: For the executors and the clock

    func push(_ job: UnownedJob, on executor: SimulatedExecutor?) {
        guard self.isCurrent else {
            self.foreign.wrappingAdd(1, ordering: .releasing)
            return
        }
        if let executor, self.chance.next() & 1023 == 0 {
            self.held[executor.number] = self.machine.now + 1_000_000 + self.chance.next() % 20_000_000
        }
        self.queue.append(Entry(job: job, executor: executor))
    }

    func executor(thread: Int) -> SimulatedExecutor {
        self.lastExecutor += 1
        return SimulatedExecutor(process: self, number: self.lastExecutor, thread: thread)
    }

    func newThread() -> Int {
        self.lastExecutor += 1
        return self.lastExecutor
    }

    /// - Returns: a number to cancel it by.
    func addTimer(due: UInt64, on thread: Int? = nil, fire: @escaping () -> Void) -> UInt64 {
        self.lastTimer += 1
        self.timers.append(Timer(due: due, number: self.lastTimer, thread: thread, fire: fire))
        return self.lastTimer
    }

    /// - Returns: false if it has fired.
    @discardableResult
    func removeTimer(_ number: UInt64) -> Bool {
        guard let place = self.timers.firstIndex(where: { $0.number == number }) else { return false }
        self.timers.remove(at: place)
        return true
    }
}

private final class Body: @unchecked Sendable {  // Safe because: handed from one thread to another, once.
    let run: () -> Void

    init(_ run: @escaping () -> Void) { self.run = run }
}

/// Opened once, by one thread for another.
private final class Gate: @unchecked Sendable {  // Safe because: `isOpen` only under the lock.
    private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let opened = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var isOpen = false

    init() {
        pthread_mutex_init(self.lock, nil)
        pthread_cond_init(self.opened, nil)
    }

    // Never destroyed: who opened it may still be in `pthread_cond_signal`.

    func open() {
        pthread_mutex_lock(self.lock)
        self.isOpen = true
        pthread_cond_signal(self.opened)
        pthread_mutex_unlock(self.lock)
    }

    /// - Returns: false if it took longer.
    func wait(seconds: Int) -> Bool {
        var deadline = timespec()
        clock_gettime(CLOCK_REALTIME, &deadline)
        deadline.tv_sec += seconds
        pthread_mutex_lock(self.lock)
        defer { pthread_mutex_unlock(self.lock) }
        while !self.isOpen {
            if pthread_cond_timedwait(self.opened, self.lock, &deadline) == ETIMEDOUT { return self.isOpen }
        }
        return true
    }
}
