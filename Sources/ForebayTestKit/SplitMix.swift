package import ForebayCore
import Synchronization

/// A small random generator with a seed, so that a failure can be repeated: print the seed, pass it again.
package struct SplitMix: RandomNumberGenerator, Sendable {
    private var state: UInt64

    package init(seed: UInt64) { self.state = seed }

    package mutating func next() -> UInt64 {
        self.state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = self.state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

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
