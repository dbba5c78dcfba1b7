import Foundation
import Testing

@testable import ForebayDelivery

@Suite("Set aside against a simulated cluster")
struct SetAsideSimulationTests {
    /// A longer run: `FOREBAY_SIMULATION_SEEDS=5000`.
    private static let seeds = ProcessInfo.processInfo.environment["FOREBAY_SIMULATION_SEEDS"].flatMap { Int($0) } ?? 40

    @Test(
        "nothing is lost, and keys stay in order, while topics and partitions come and go, the cluster is away, and stages fail",
        arguments: 0..<4)
    func keepsThePromise(part: Int) async {
        for seed in stride(from: part, to: Self.seeds, by: 4) {
            var simulation = SetAsideSimulation(seed: UInt64(seed))
            do { try simulation.run(batches: 80) } catch { Issue.record("seed \(seed): \(error)") }
            await Task.yield()
        }
    }

    @Test(
        "nor is anything lost, or out of order, where the drain finds no room at times for what it sets aside apart, and lets go of it"
    )
    func withoutRoom() async {
        var letsGo = 0
        for seed in 1000..<1000 + Self.seeds {
            var simulation = SetAsideSimulation(seed: UInt64(seed))
            (simulation.mayLackRoom, simulation.looks) = (true, seed % 20 == 0)
            do { try simulation.run(batches: simulation.looks ? 15 : 80) } catch { Issue.record("seed \(seed): \(error)") }
            letsGo += simulation.letsGo
            await Task.yield()
        }
        #expect(letsGo > Self.seeds / 2, "else it shows nothing")
    }

    @Test(
        "nor by an operator, who removes and moves what is set aside and brings events once more, whatever else goes on", arguments: 0..<4)
    func byHand(part: Int) async {
        var (removals, moves, replays) = (0, 0, 0)
        for seed in stride(from: 2000 + part, to: 2000 + Self.seeds, by: 4) {
            var simulation = SetAsideSimulation(seed: UInt64(seed))
            (simulation.hand.isThere, simulation.looks, simulation.mayLackRoom) = (true, seed % 20 == 0, seed % 3 == 0)
            do { try simulation.run(batches: simulation.looks ? 15 : 80) } catch { Issue.record("seed \(seed): \(error)") }
            (removals, moves, replays) = (
                removals + simulation.hand.removals, moves + simulation.hand.moves, replays + simulation.hand.replays
            )
            await Task.yield()
        }
        #expect(removals > 10 && moves > 5 && replays > 10, "else it shows nothing")
    }

    @Test("all accounts hold after every step, and whatever waits has something to wait for", arguments: 100..<103)
    func accounts(seed: Int) {
        var simulation = SetAsideSimulation(seed: UInt64(seed))
        simulation.looks = true
        do { try simulation.run(batches: 8) } catch { Issue.record("seed \(seed): \(error)") }
    }

    @Test("units come and go in these runs")
    func hasUnits() throws {
        var simulation = SetAsideSimulation(seed: 1)
        try simulation.run(batches: 80)
        #expect(simulation.unitsSeen > 1 && simulation.everAside.count > 50)
    }

    @Test(
        "several topics come back with other numbers of partitions while some are set aside: keys stay in order, over both stages' restarts",
        arguments: [
            [[4, 3], [6, 4], [5, 1]], [[3, 4, 2], [4, 3, 2], [6, 4, 5]], [[3, 4, 2, 6, 1], [2, 3, 3, 2, 4], [6, 5, 4, 3, 2]],
        ])
    func narrower(partitions: [[Int]]) {
        var hasWaited = false
        for seed in 0..<25 {
            var simulation = SetAsideSimulation(seed: UInt64(seed))
            do { try simulation.run(partitions: partitions) } catch { Issue.record("seed \(seed): \(error)") }
            hasWaited = hasWaited || simulation.hasWaited
        }
        #expect(hasWaited, "else it shows nothing")
    }

    @Test("topics are made anew with fewer partitions in these runs, while some of their partitions are set aside")
    func remakes() throws {
        var remade = 0
        for seed in 0..<5 {
            var simulation = SetAsideSimulation(seed: UInt64(seed))
            try simulation.run(batches: 80)
            remade += simulation.remade
        }
        #expect(remade > 3)
    }

    @Test(
        "catches what it must",
        arguments: [SetAsideSimulation.Plant.cursorBeforeSync, .newerGoDirect, .drainUnreported])
    func catches(plant: SetAsideSimulation.Plant) {
        let caught = (0..<20).contains { seed in
            var simulation = SetAsideSimulation(seed: UInt64(seed), plant: plant)
            do { try simulation.run(batches: 80) } catch { return true }
            return false
        }
        #expect(caught)
    }
}
