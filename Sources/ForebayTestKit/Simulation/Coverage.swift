/// How often each thing that a simulation can do was done: a kind of fault, a branch, an outcome.
package struct Coverage: Sendable, Equatable {
    package private(set) var counts: [String: Int]

    package init(_ counts: [String: Int] = [:]) { self.counts = counts }

    package mutating func hit(_ name: String, _ count: Int = 1) { self.counts[name, default: 0] += count }

    package mutating func add(_ other: Coverage) {
        for (name, count) in other.counts { self.hit(name, count) }
    }

    /// Those of `names` that were never hit.
    package func missing(of names: [String]) -> [String] { names.filter { self.counts[$0, default: 0] == 0 } }
}
