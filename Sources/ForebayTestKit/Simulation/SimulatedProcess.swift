package import ForebayCore

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

    private struct Entry {
        let job: UnownedJob
        /// None: isolated to nobody.
        let executor: SimulatedExecutor?
    }

    package let machine: SimulatedMachine
    private var chance: SplitMix
    private let chanceOfOthers: SimulatedChance
    private var jobs = JobQueues<Entry>()
    private var timers = SimulatedTimers()
    private var threads = SimulatedThreads()
    private var life = ProcessLife()
    private let host = HostThread()
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
        self.life.begin(steps: steps, until: self.machine.now + UInt64(seconds) * 1_000_000_000)
        let isOver = self.host.run(within: 120) { [self] in
            Task.detached(executorPreference: self.pool) {
                await main()
                self.life.returned()
            }
            self.work()
        }
        guard isOver else { return .stuck("a job takes more than 120 s of real time") }
        let foreign = self.host.refused
        if foreign > 0 { return .stuck("\(foreign) jobs came from threads outside the simulation") }
        return self.life.ending ?? .stuck("no ending")
    }

    /// Jobs that it ran.
    package var steps: Int { self.life.steps }

    /// It has ended; what it still does is only to free its memory.
    package var isOver: Bool { self.life.ending != nil }

    /// Whether the caller is the simulation's thread.
    package var isCurrent: Bool { self.host.isCurrent }

    /// Ends the process in the middle of whatever it does. Called on its own thread.
    package func die(_ reason: String) -> Never {
        precondition(self.isCurrent, "only the process itself can stand still in the middle of a call")
        self.life.end(.died(reason))
        self.host.park()
    }

    /// A call that takes its time: other threads go on meanwhile.
    package func pause(nanoseconds: UInt64) {
        let until = self.machine.now + nanoseconds
        guard self.isCurrent, self.threads.enterCall() else { return self.machine.now = until }
        while self.machine.now < until, self.life.mayStep {
            if let entry = self.pick() {
                self.run(entry)
            } else if let timer = self.soonest, timer.due < until {
                self.fire(timer)
            } else {
                self.machine.now = max(self.machine.now, until)
            }
        }
        self.threads.leaveCall()
    }

    // MARK: The run loop

    private func work() {
        while self.life.ending == nil {
            if let ending = self.life.due(at: self.machine.now) { return self.end(ending) }
            if self.host.refused > 0 { return self.end(.stuck("a job came from another thread")) }
            let isReady = self.jobs.hasReady(at: self.machine.now, besides: self.threads.waiting)
            if let timer = self.soonest, timer.due <= self.machine.now || !isReady {
                // One that is due competes with what is ready.
                if isReady ? self.chance.next() & 3 == 0 : timer.due <= self.jobs.heldUntil ?? .max {
                    self.fire(timer)
                    continue
                }
            }
            if !isReady, let until = self.jobs.heldUntil {
                self.machine.now = max(self.machine.now, until)
                continue
            }
            guard let entry = self.pick() else { return self.end(.stuck("nothing left to run")) }
            self.run(entry)
        }
    }

    private func end(_ ending: Ending) {
        self.life.end(ending)
        guard ending == .ended else { return }
        self.jobs.release()
        // What only has to learn that it is over does so and frees its memory; whatever would touch the disk dies there.
        var left = 10_000
        while left > 0, let entry = self.pick() {
            self.run(entry)
            left -= 1
        }
    }

    private func pick() -> Entry? { self.jobs.pick(at: self.machine.now, besides: self.threads.waiting, &self.chance) }

    private func run(_ entry: Entry) {
        self.life.step()
        self.machine.now += 1_000 + self.chance.next() % 8_000
        self.machine.note(UInt64(entry.executor?.queue.number ?? 0))
        self.onStep?()
        self.threads.begin(entry.executor?.queue.thread)
        if let executor = entry.executor {
            entry.job.runSynchronously(on: executor.asUnownedSerialExecutor())
        } else {
            entry.job.runSynchronously(on: self.pool.asUnownedTaskExecutor())
        }
        self.threads.end()
    }

    private var soonest: SimulatedTimers.Timer? { self.timers.soonest(besides: self.threads.waiting) }

    private func fire(_ timer: SimulatedTimers.Timer) {
        self.timers.take(timer)
        self.machine.now = max(self.machine.now, timer.due)
        self.machine.note(self.machine.now)
        self.threads.begin(timer.thread)
        timer.fire()
        self.threads.end()
    }

    // MARK: For the executors and the clock

    func push(_ job: UnownedJob, on executor: SimulatedExecutor?) {
        guard self.host.admits() else { return }
        self.jobs.push(Entry(job: job, executor: executor), on: executor?.queue, at: self.machine.now, &self.chance)
    }

    func executor(thread: Int) -> SimulatedExecutor {
        SimulatedExecutor(process: self, queue: JobQueue(number: self.threads.newNumber(), thread: thread))
    }

    func newThread() -> Int { self.threads.newNumber() }

    /// - Returns: a number to cancel it by.
    func addTimer(due: UInt64, on thread: Int? = nil, fire: @escaping () -> Void) -> UInt64 {
        self.timers.add(due: due, on: thread, fire: fire)
    }

    /// - Returns: false if it has fired.
    @discardableResult
    func removeTimer(_ number: UInt64) -> Bool { self.timers.remove(number) }
}
