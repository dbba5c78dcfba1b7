/// What a node takes from outside and can't repeat: time, chance, and whose threads its actors and tasks run on.
///
/// The process has one, ``real``. A simulation brings its own and decides all of it from a seed; so whatever keeps events safe takes
/// these from here, and never from Swift's runtime directly.
package struct Surroundings: Sendable {
    package var time: any TimeSource
    package var chance: any ChanceSource
    package var executors: any ExecutorSource

    package init(time: any TimeSource, chance: any ChanceSource, executors: any ExecutorSource) {
        self.time = time
        self.chance = chance
        self.executors = executors
    }

    package static let real = Surroundings(time: SystemTime(), chance: SystemChance(), executors: SystemExecutors())

    /// For tasks that belong to no actor with an executor of its own: `Task(preferring: surroundings.tasks) { … }`. None: Swift's
    /// pool.
    package var tasks: (any TaskExecutor)? { self.executors.tasks }
}
