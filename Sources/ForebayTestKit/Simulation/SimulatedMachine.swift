/// What outlives a process: the clocks, and the trace of all that happened. A round has one.
package final class SimulatedMachine: @unchecked Sendable {  // Safe because: one thread at a time runs the simulation.
    /// Time that only moves forward, in ns.
    package internal(set) var now: UInt64 = 0
    /// What the time of day is ahead of ``now``, in ms; it may jump.
    package var wallOffset: Int64 = 1_800_000_000_000
    private var trace: UInt64 = 0xcbf2_9ce4_8422_2325

    package init() {}

    /// A number for the whole history: equal in two runs of the same seed.
    package var traceHash: UInt64 { self.trace }

    package var wallMilliseconds: Int64 { Int64(self.now / 1_000_000) &+ self.wallOffset }

    package func note(_ value: UInt64) {
        self.trace = (self.trace ^ value) &* 0x100_0000_01b3
    }

    package func note(_ text: String) {
        for byte in text.utf8 { self.note(UInt64(byte)) }
    }

    package func advance(nanoseconds: UInt64) { self.now += nanoseconds }
}
