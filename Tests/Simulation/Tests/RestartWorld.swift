import ForebayKafka
import ForebayTestKit
import Synchronization
import Testing

/// One node's folder, and its Kafka, over the processes that come and go.
final class RestartWorld: @unchecked Sendable {  // Safe because: one thread at a time runs the simulation.
    enum Ending: CaseIterable { case clean, kill, powerCut }

    let machine = SimulatedMachine()
    let disk: SimulatedDisk
    let kafka = SimulatedKafka(seed: 5)
    var seed: UInt64 = 0
    /// By route: how many were sent.
    var sent: [String: Int] = [:]
    var redelivered = 0
    /// Events set aside when a process was last looked at.
    var aside: UInt64 = 1

    init() { self.disk = SimulatedDisk(seed: 3, capacity: 1 << 28) }

    /// One process.
    func life(
        _ names: [String], formerly: [String: [String]] = [:], _ ending: Ending,
        _ body: @escaping @Sendable (RestartNode) async throws -> Void
    ) throws {
        self.seed += 1
        let process = SimulatedProcess(machine: self.machine, seed: self.seed)
        self.disk.attach(process)
        let trouble = Mutex<(any Error)?>(nil)
        let ended = process.run(steps: 3_000_000, seconds: 100_000) {
            do {
                let node = try await RestartNode(names, formerly, self, process)
                try await body(node)
                if ending != .clean { process.die("killed") }
                await node.stop()
            } catch { trouble.withLock { $0 = error } }
        }
        if let error = trouble.withLock({ $0 }) { throw error }
        #expect(ended == (ending == .clean ? .ended : .died("killed")))
        if ending == .powerCut { self.disk.cutPower() } else { self.disk.detach() }
        self.kafka.abandonProducers()
    }

    /// How often each value arrived.
    var copies: [String: Int] {
        Dictionary(self.kafka.log.map { (String(decoding: $0.value ?? [], as: UTF8.self), 1) }, uniquingKeysWith: +)
    }
}
