import ForebayKafka
import ForebayTestKit
import Foundation
import Testing

@testable import ForebayRuntime

/// Routes under another name.
extension RemovedRoutesTests {
    @Test("former names: backlog, what is set aside and dead letters go over once, there and back, and all of it is delivered")
    func formerNames() async throws {
        try #require(KafkaConsumer.isAvailable, "kcat is not installed")
        defer { self.cleanUp() }
        try await self.run(["one", "two", "other"]) { node in
            for (topic, count) in [("one", 5), ("two", 7), ("other", 2)] { try await node.post(topic, count) }
        }
        try await self.leave("one", aside: 3, dead: 2)
        try await self.leave("two", aside: 4, dead: 0)
        try await self.run(["other", "new one two"]) { node in
            try await node.post("new", 1)
            let routes = try await node.routes("status", "routes")
            #expect(routes.map { $0["route"] as? String } == ["other", "new"])
            #expect(routes.map { $0["lag_events"] as? Int } == [2, 13])
            #expect(routes.map { $0["set_aside_events"] as? Int } == [0, 7], "in two logs")
            #expect(routes.map { $0["dead_letters"] as? Int } == [0, 2])
        }
        // Back under the first name; and the second is a route of its own again, which takes back what is left of it.
        try await self.run(["two", "one new", "other"]) { node in
            let routes = try await node.routes("status", "routes")
            #expect(routes.map { $0["route"] as? String } == ["two", "one", "other"])
            #expect(routes.map { $0["lag_events"] as? Int } == [7, 6, 2])
            #expect(routes.map { $0["set_aside_events"] as? Int } == [4, 3, 0])
            #expect(routes.map { $0["dead_letters"] as? Int } == [0, 2, 0])
        }
        let cluster = try KafkaMockCluster()
        for topic in ["one", "two", "other", "new", "aside-one", "aside-two"] { cluster.create(topic: topic, partitions: 1) }
        try await self.run(["other", "last one", "two"], bootstrap: cluster.bootstrap) { node in
            #expect(
                await eventually(within: .seconds(30)) {
                    let routes = (try? await node.routes("status", "routes")) ?? []
                    return routes.count == 3 && routes.allSatisfy { $0["lag_events"] as? Int == 0 && $0["set_aside_events"] as? Int == 0 }
                })
        }
        for (topic, count) in [("one", 5), ("two", 7), ("other", 2), ("new", 1), ("aside-one", 3), ("aside-two", 4)] {
            let values = try await KafkaConsumer(bootstrap: cluster.bootstrap).read(topic).compactMap(\.value)
            #expect(values.count == count && Set(values).count == count, "\(topic): \(values)")
        }
        #expect(FileManager.default.fileExists(atPath: self.folder + "/deadletters/last/segments"))
    }

    @Test("two routes of which one was the other's former name: each delivers its own, once, in either order", arguments: [false, true])
    func formerNameInUse(isReversed: Bool) async throws {
        try #require(KafkaConsumer.isAvailable, "kcat is not installed")
        defer { self.cleanUp() }
        try await self.run(["a"]) { try await $0.post("a", 3) }
        try await self.run(["b a"]) { try await $0.post("b", 2) }
        let cluster = try KafkaMockCluster()
        for topic in ["a", "b"] { cluster.create(topic: topic, partitions: 1) }
        try await self.run(isReversed ? ["b", "a"] : ["a", "b"], bootstrap: cluster.bootstrap) { node in
            try await node.post("a", 1)
            try await node.post("b", 1)
            #expect(
                await eventually(within: .seconds(30)) {
                    ((try? await node.routes("status", "routes")) ?? []).map { $0["lag_events"] as? Int } == [0, 0]
                })
        }
        for (topic, count) in [("a", 4), ("b", 3)] {
            let values = try await KafkaConsumer(bootstrap: cluster.bootstrap).read(topic).compactMap(\.value)
            #expect(values.count == count, "\(topic): \(values)")
        }
    }
}
