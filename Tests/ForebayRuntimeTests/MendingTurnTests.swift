import ForebayCore
import ForebayDelivery
import ForebayKafka
import ForebaySpool
import ForebayTelemetry
import ForebayTestKit
import Foundation
import Testing

@testable import ForebayRuntime

/// Who may mend what a node holds, when, and in which order.
@Suite("Mending: one at a time, in order, and not while the node stops", .timeLimit(.minutes(1)))
struct MendingTurnTests {
    @Test("one is at it; the end waits for that one, and nobody comes after it")
    func turns() async {
        let turn = MendingTurn()
        #expect(turn.enter() == .entered && turn.enter() == .busy)
        turn.leave()
        #expect(turn.enter() == .entered && !turn.isStopping)
        let events = Happenings<String>()
        let ending = Task {
            await turn.end()
            events.add("ended")
        }
        #expect(await eventually { turn.isStopping })
        #expect(turn.enter() == .stopping)
        events.add("left")
        turn.leave()
        await ending.value
        #expect(events.all == ["left", "ended"] && turn.enter() == .stopping)
        await turn.end()
    }

    @Test("a node that stops refuses to mend, and closes nothing before the one that is at it has ended")
    func stopping() async throws {
        let folder = NodeFixture.folder()
        defer { try? FileManager.default.removeItem(at: folder) }  // Cleaning up is a courtesy.
        let configuration = try NodeFixture.configuration(in: folder)
        try await NodeFixture.leave("default", in: configuration, aside: 2, dead: 3)
        let node = try await Node.start(configuration)
        #expect(node.storage.mending.enter() == .entered)
        func ask(_ method: String, _ target: String, _ form: String) async throws -> (status: Int, text: String) {
            try await NodeFixture.ask(
                node.adminAddress, "/admin/v1/" + target, method: method, body: form,
                headers: [("Content-Type", "application/x-www-form-urlencoded")])
        }
        let all = [
            ("POST", "deadletters/replay", "all=true"), ("DELETE", "deadletters", "all=true"), ("DELETE", "setaside", "unit=aside-default"),
            ("POST", "setaside/move", "unit=aside-default&to=t"),
        ]
        for (method, target, form) in all { #expect(try await ask(method, target, form).status == 409) }
        let stopping = Task { await node.stop() }
        #expect(await eventually { node.storage.mending.isStopping })
        for (method, target, form) in all {
            let refused = try await ask(method, target, form)
            #expect(refused.status == 503 && refused.text.contains("draining"), "\(refused)")
        }
        try await node.storage.deadLetters[DeliveryName(.forward, of: "default")]?.remove([1..<2])
        node.storage.mending.leave()
        #expect(await stopping.value)
        await #expect { try await node.storage.deadLetters[DeliveryName(.forward, of: "default")]?.remove([0..<1]) } throws: {
            ($0 as? ForebayError)?.code == .unavailable
        }
        let letters = "\(folder.path)/deadletters/default", aside = "\(folder.path)/setaside/default"
        #expect(try DeadLetters.list(directory: letters, after: nil, limit: 9).map(\.sequence) == [0, 2])
        #expect(try SetAsideLog.list(directory: aside).map { $0.end - $0.settled } == [2])
    }

    /// Logs of some routes, each with events of some topics that were accepted at a time.
    private final class World {
        let folder = NodeFixture.folder()
        let threads = SpoolThreads()
        let budget: SpoolBudget
        private(set) var logs: [SetAsideLog] = []
        private(set) var targets: [AsideTarget] = []

        init() throws { self.budget = try SpoolBudget(capacity: 1 << 30, directory: self.folder.path) }

        func add(_ route: String, former: String? = nil, cluster: String? = "c", _ topics: [(String, Int64)]) async throws {
            let (threads, budget) = (self.threads, self.budget)
            let log = try SetAsideLog(directory: "\(self.folder.path)/\(former ?? route)") { path throws(ForebayError) in
                try Spool.open(
                    SpoolConfiguration(directory: path, kind: .setAside, segmentSize: 1 << 20) { fatalError("\($0)") }, budget: budget,
                    threads: threads, metrics: SpoolMetrics(MetricsRegistry()))
            }
            for (number, (topic, time)) in topics.enumerated() {
                let unit = SetAsideLog.Unit(
                    number: UInt64(number + 1), topic: topic, partition: nil, partitionCount: 1, code: "C", reason: "", since: time,
                    oldestAcceptedAt: time)
                let batch = EventFactory.batch([.init(topic, value: "v")], spool: .none, first: 0, acceptedAt: time)
                try await log.append(new: [unit], [(unit.number, batch)])
            }
            // As a start has it.
            await log.close()
            let again = try SetAsideLog(directory: "\(self.folder.path)/\(former ?? route)") { path throws(ForebayError) in
                try Spool.open(
                    SpoolConfiguration(directory: path, kind: .setAside, segmentSize: 1 << 20) { fatalError("\($0)") }, budget: budget,
                    threads: threads, metrics: SpoolMetrics(MetricsRegistry()))
            }
            self.logs.append(again)
            let name = DeliveryName(.forward, of: route)
            self.targets.append(
                AsideTarget(
                    name: name, setAside: .undelivered(name, again, isAlone: false),
                    former: former.map { DeliveryName(.forward, of: $0) }, cluster: cluster))
        }

        /// As a node does: those of one cluster.
        func order() { SetAside.order(self.targets.filter { $0.cluster == "c" }.map(\.setAside)) }

        func hindrance(_ topic: String?, to target: String, route: String? = nil) -> String? {
            AsideOrder(all: self.targets).hindrance(
                SetAside.Selection(topic: topic), to: target, from: self.targets.filter { route == nil || $0.name.route == route })
        }

        func end() async {
            for log in self.logs { await log.close() }
            self.threads.end()
            try? FileManager.default.removeItem(at: self.folder)  // A courtesy.
        }
    }

    @Test("a topic in several logs is moved log by log, the oldest first; what a former name left is not moved beside the route's own")
    func order() async throws {
        let world = try World()
        try await world.add("a", [("s", 10), ("x", 10)])
        try await world.add("b", [("s", 5), ("y", 5)])
        try await world.add("elsewhere", cluster: "d", [("s", 1), ("t", 1)])
        try await world.add("gone", cluster: nil, [("s", 1), ("t", 1)])
        world.order()
        #expect(world.hindrance("x", to: "t") == nil && world.hindrance("s", to: "t", route: "b") == nil)
        for route in [nil, "a"] {
            let refused = world.hindrance("s", to: "t", route: route)
            #expect(refused?.contains("set aside in the route 'a', and older ones of it in the route 'b'. Move these first") == true)
        }
        #expect(world.hindrance("s", to: "t", route: "gone") == nil && world.hindrance(nil, to: "t", route: "b") == nil)
        let busy = world.hindrance("x", to: "y")
        #expect(busy?.contains("Events of 'y' are set aside in the route 'b', too") == true)
        await world.end()

        let renamed = try World()
        try await renamed.add("new", former: "old", [("s", 1), ("u", 1)])
        try await renamed.add("new", [("s", 10), ("v", 10)])
        renamed.order()
        #expect(renamed.hindrance("v", to: "t") == nil)
        for topic in ["s", "u"] {
            let refused = renamed.hindrance(topic, to: "t")
            #expect(refused?.contains("set aside in what the route 'new' left under its former name 'old'") == true, "\(refused ?? "")")
        }
        await renamed.end()
    }
}
