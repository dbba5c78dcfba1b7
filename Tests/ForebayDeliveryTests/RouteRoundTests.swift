import ForebayTestKit
import Foundation
import Testing

@Suite("A route's stages over a simulated Kafka", .serialized)
struct RouteRoundTests {
    /// A longer run: `FOREBAY_SIMULATION_SEEDS=1000`; one seed with its story: `FOREBAY_SIMULATION_SEED=17`. A seed repeats exactly with
    /// `SWIFT_DETERMINISTIC_HASHING=1`.
    private static let environment = ProcessInfo.processInfo.environment
    private static let seeds = Self.environment["FOREBAY_SIMULATION_SEEDS"].flatMap { UInt64($0) } ?? 60
    private static let only = Self.environment["FOREBAY_SIMULATION_SEED"].flatMap { UInt64($0) }

    @Test(
        "nothing is lost, keys stay in order, nothing is stuck: whatever the cluster does, whichever stage fails, whenever the process dies"
    )
    func keepsThePromise() {
        var coverage = Coverage()
        for seed in Self.only.map({ $0..<$0 + 1 }) ?? 0..<Self.seeds {
            let round = RouteRound(seed: seed)
            if Self.only != nil { round.tell = { print($0) } }
            for violation in round.run() { Issue.record("seed \(seed): \(violation)") }
            coverage.add(round.coverage)
        }
        guard Self.only == nil else { return }
        #expect(coverage.missing(of: RouteRound.required) == [])
    }

    @Test("nor where the events come from a consumer group whose partitions come and go")
    func groups() {
        var coverage = Coverage()
        for seed in Self.only.map({ $0..<$0 + 1 }) ?? 0..<Self.seeds {
            let round = RouteRound(seed: seed, isGroup: true)
            if Self.only != nil { round.tell = { print($0) } }
            for violation in round.run() { Issue.record("seed \(seed): \(violation)") }
            coverage.add(round.coverage)
        }
        guard Self.only == nil else { return }
        #expect(coverage.missing(of: RouteRound.requiredOfGroups) == [])
    }

    @Test("catches what it must", arguments: [RouteRound.Plant.gaps, .lostLetters, .cursorAhead])
    func catches(plant: RouteRound.Plant) {
        #expect((0..<60).contains { !RouteRound(seed: $0, plant: plant).run().isEmpty })
    }
}
