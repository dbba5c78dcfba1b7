import ForebayBuffer
import ForebayDelivery
import ForebaySpool
import ForebayTestKit
import Testing

/// What restarts repeat while an event that can't be delivered holds a route's cursor, and others behind it were set aside.
@Suite("Restarts with something set aside", .timeLimit(.minutes(1)))
struct RestartTests {
    /// Two routes; of each one topic is missing, another one can't be reached from the first event on: its broker is away.
    private func world(_ names: [String]) throws -> RestartWorld {
        let world = RestartWorld()
        for name in names { world.kafka.create(topic: "\(name)-there", partitions: 3) }
        return world
    }

    private func topics(_ route: String) -> [String] { ["\(route)-there", "\(route)-missing", "\(route)-missing"] }

    @Test("the same events are set aside once, however often the node is started again", arguments: RestartWorld.Ending.allCases)
    func restarts(ending: RestartWorld.Ending) throws {
        let names = ["a", "b"]
        let world = try self.world(names)
        // The cluster is there, so what is missing is known to be; then it goes away.
        try world.life(names, .clean) { node in
            for name in names { try await node.send(name, ["\(name)-missing"], 3) }
            try await node.until("set aside") { node in names.allSatisfy { node.routes[$0]!.setAside.events == 3 } }
        }
        world.kafka.isAway = true
        try world.life(names, ending) { node in
            for name in names { try await node.send(name, self.topics(name), 300) }
            try await node.until("set aside") { node in names.allSatisfy { node.routes[$0]!.setAside.events == 203 } }
            try await node.pass(milliseconds: 3_000)
        }
        for restart in 0..<4 {
            try world.life(names, restart % 2 == 0 ? ending : .clean) { node in
                try await node.pass(milliseconds: 20_000)
                for name in names {
                    #expect(node.routes[name]!.setAside.events == 203, "route \(name), restart \(restart)")
                    #expect(node.routes[name]!.source.lag >= 300)
                }
                #expect(node.redelivered == 0, "nothing was sent, and nothing set aside again")
            }
        }
        world.kafka.isAway = false
        for name in names { world.kafka.create(topic: "\(name)-missing", partitions: 2) }
        try world.life(names, .clean) { node in
            try await node.until("all is delivered") { node in
                names.allSatisfy { node.routes[$0]!.setAside.isEmpty && node.routes[$0]!.source.lag == 0 }
            }
        }
        #expect(world.copies.count == 606 && world.copies.values.allSatisfy { $0 == 1 }, "each once")
    }

    @Test("killed just when events are set aside, again and again: at most those of the last second come twice, and they are counted")
    func crashLoop() throws {
        let world = try self.world(["a"])
        try world.life(["a"], .clean) { node in
            try await node.send("a", ["a-missing"], 1)
            try await node.until("set aside") { $0.routes["a"]!.setAside.events == 1 }
        }
        world.kafka.isAway = true
        for kill in 0..<10 {
            try world.life(["a"], kill % 2 == 0 ? .kill : .powerCut) { node in
                try await node.send("a", self.topics("a"), 300)
                let before = world.aside
                try await node.until("set aside") { $0.routes["a"]!.setAside.events >= before + 200 }
                try await node.pass(milliseconds: kill * 130)
                world.aside = node.routes["a"]!.setAside.events
                world.redelivered += node.redelivered
            }
        }
        world.kafka.isAway = false
        world.kafka.create(topic: "a-missing", partitions: 2)
        try world.life(["a"], .clean) { node in
            try await node.until("all is delivered") { $0.routes["a"]!.setAside.isEmpty && $0.routes["a"]!.source.lag == 0 }
            world.redelivered += node.redelivered
        }
        let repeats = world.kafka.log.count - world.copies.count
        #expect(world.copies.count == 3001, "nothing is lost")
        #expect(repeats <= 10 * 200, "a kill repeats what its own life set aside, not what those before it did")
        #expect(repeats <= world.redelivered, "\(repeats) came twice, \(world.redelivered) are counted")
    }

    @Test("what is set aside gone, or damaged: the spool has it still, and it is set aside again", arguments: RestartWorld.Ending.allCases)
    func sideLogLost(ending: RestartWorld.Ending) throws {
        let world = try self.world(["a"])
        world.kafka.create(topic: "a-other", partitions: 1)
        try world.life(["a"], .clean) { node in
            try await node.send("a", ["a-missing"], 1)
            try await node.until("set aside") { $0.routes["a"]!.setAside.events == 1 }
        }
        world.kafka.isAway = true
        try world.life(["a"], ending) { node in
            try await node.send("a", self.topics("a"), 300)
            try await node.until("set aside") { $0.routes["a"]!.setAside.events == 201 }
            try await node.pass(milliseconds: 3_000)
        }
        for file in world.disk.files where file.hasPrefix("/data/setaside/a/segments/") { world.disk.lose(file) }
        for life in 0..<2 {
            // Nobody tells that the topic was missing.
            try world.life(["a"], .clean) { node in
                try await node.pass(milliseconds: 20_000)
                #expect(node.routes["a"]!.source.lag == 298)
                #expect(node.routes["a"]!.setAside.events == 0)
                if life == 0 { _ = try await node.routes["a"]!.log.acknowledgeAlarms() }
            }
        }
        world.kafka.isAway = false
        world.kafka.create(topic: "a-missing", partitions: 2)
        try world.life(["a"], .clean) { node in
            try await node.until("all is delivered") { $0.routes["a"]!.setAside.isEmpty && $0.routes["a"]!.source.lag == 0 }
        }
        #expect(world.copies.count == 298, "all but the first ones, which the cursor had passed and which are named")
        #expect(world.copies.values.allSatisfy { $0 == 1 })
    }

    @Test("renamed meanwhile, by formerly, and back: nothing is lost, whatever is repeated")
    func renamed() throws {
        let world = try self.world(["a", "b"])
        try world.life(["a", "b"], .clean) { node in
            for name in ["a", "b"] { try await node.send(name, ["\(name)-missing"], 1) }
            try await node.until("set aside") { node in ["a", "b"].allSatisfy { node.routes[$0]!.setAside.events == 1 } }
        }
        world.kafka.isAway = true
        try world.life(["a", "b"], .kill) { node in
            for name in ["a", "b"] { try await node.send(name, self.topics(name), 90) }
            try await node.until("set aside") { node in ["a", "b"].allSatisfy { node.routes[$0]!.setAside.events == 61 } }
            try await node.pass(milliseconds: 3_000)
        }
        for names in [["c", "b"], ["c", "b"], ["a", "b"]] {
            try world.life(names, formerly: names.contains("c") ? ["c": ["a"]] : [:], .clean) { node in
                try await node.pass(milliseconds: 20_000)
            }
        }
        world.kafka.isAway = false
        for name in ["a", "b"] { world.kafka.create(topic: "\(name)-missing", partitions: 2) }
        try world.life(["c", "b"], formerly: ["c": ["a"]], .clean) { node in
            try await node.until("all is delivered") { node in
                ["c", "b"].allSatisfy { node.routes[$0]!.setAside.isEmpty && node.routes[$0]!.source.lag == 0 }
            }
        }
        #expect(world.copies.count == 182)
        #expect(
            world.copies.filter { $0.key.hasPrefix("b") }.values.allSatisfy { $0 == 1 }, "the route that was left alone repeats nothing")
    }
}
