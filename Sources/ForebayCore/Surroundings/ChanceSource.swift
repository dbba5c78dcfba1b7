/// Chance from outside.
package protocol ChanceSource: Sendable {
    func next() -> UInt64
}

extension ChanceSource {
    /// As a generator, for `random(in:using:)`.
    package var generator: ChanceGenerator { ChanceGenerator(source: self) }
}

package struct ChanceGenerator: RandomNumberGenerator {
    fileprivate let source: any ChanceSource

    package mutating func next() -> UInt64 { self.source.next() }
}

/// The process's own.
struct SystemChance: ChanceSource {
    func next() -> UInt64 {
        var generator = SystemRandomNumberGenerator()
        return generator.next()
    }
}
