package import ForebayCore
import Synchronization

/// Chance that a seed repeats.
package final class SeededChance: ChanceSource {
    private let generator: Mutex<SplitMix>

    package init(seed: UInt64) { self.generator = Mutex(SplitMix(seed: seed)) }

    package func next() -> UInt64 { self.generator.withLock { $0.next() } }
}

extension Surroundings {
    /// Time that a test moves and chance that a seed repeats, on the process's own threads.
    package static func manual(_ clock: ManualClock, seed: UInt64) -> Surroundings {
        Surroundings(time: clock, chance: SeededChance(seed: seed), executors: Surroundings.real.executors)
    }
}
