import ConfigurationWorld
import Testing

@testable import ForebayConfig

/// Properties of clusters: what librdkafka says of them, and what does not fit our own keys.
extension ConfigurationProblemTests {
    @Test func propertiesThatDoNotFitOurOwnKeys() throws {
        func warnings(_ producer: String, _ more: String = "") throws -> [String] {
            let text =
                "version: 1\nclusters: { main: { properties: { bootstrap.servers: 'k:1' }, producer: { \(producer) } } }\n"
                + "routes: { r: { topics: ['*'], forward: { to: main } } }\n" + more
            return try ConfigurationWorld(files: ["f": text]).load(["f"]).warnings.map(\.description)
        }
        let size = try warnings("message.max.bytes: 1000")
        #expect(size.count == 1 && size[0].contains("clusters.main.producer.message.max.bytes") && size[0].contains("dead letters"))
        #expect(try warnings("message.max.bytes: 983040").isEmpty)
        let linger = try warnings("linger.ms: 900000")
        #expect(linger.count == 1 && linger[0].contains("partition_after"))
        #expect(try warnings("linger.ms: 9999").isEmpty)
        #expect(try warnings("linger.ms: 9999", "delivery: { set_aside: { partition_after: 9s } }\n").count == 1)
    }

    @Test func aQueueOfLibrdkafkaThatNoEventFitsInto() {
        func problems(_ kbytes: Int, _ more: String = "") -> [String] {
            let text =
                "version: 1\nclusters: { main: { properties: { bootstrap.servers: 'k:1', queue.buffering.max.kbytes: \(kbytes) } } }\n"
                + "routes: { r: { topics: ['*'], forward: { to: main } } }\n" + more
            return ConfigurationWorld(files: ["f": text]).problems(["f"])
        }
        let found = problems(959)
        #expect(
            found.count == 1 && found[0].contains(" clusters.main.properties.queue.buffering.max.kbytes: must be at least 960, found 959"))
        #expect(problems(960).isEmpty)
        #expect(problems(1024, "limits: { event: 1048577 }\n").map { $0.contains("at least 1025") } == [true])
    }

    @Test func propertiesAreReadAsTheyAreWritten() {
        func problems(_ properties: String) -> [String] {
            let text = minimal.replacing("bootstrap.servers: \"k1:9092\"", with: properties)
            return ConfigurationWorld(files: ["f": text], check: KafkaPropertyJudge.check).problems(["f"])
        }
        #expect(
            problems("bootstrap.server: k") == [
                "f:3:43 clusters.main.properties.bootstrap.server: no property of librdkafka has this name; did you mean \"bootstrap.servers\"?"
            ])
        #expect(
            problems("bootstrap.servers: k, linger.ms: 900s") == [
                "f:3:58 clusters.main.properties.linger.ms: expected a number from 0 to 900000 in milliseconds, found \"900s\"; "
                    + "librdkafka's properties take no units: write 900000"
            ])
        #expect(problems("client.id: x") == ["f:3:3 clusters.main: bootstrap.servers is missing; give it under properties"])
        #expect(problems("bootstrap.servers: k, linger.ms: 5").isEmpty)
        #expect(
            problems("bootstrap.servers: k, metadata.broker.list: l") == [
                "f:3:44 clusters.main.properties.bootstrap.servers: is the same property as metadata.broker.list under properties; give it under "
                    + "one of its names",
                "f:3:69 clusters.main.properties.metadata.broker.list: is the same property as bootstrap.servers under properties; give it under "
                    + "one of its names",
            ])
    }

    @Test func theCheckOfPropertiesIsHeard() {
        let check: KafkaPropertyCheck = { properties, producer in
            #expect(properties["sasl.password"] == "s3cret")
            return [
                KafkaPropertyProblem(section: "properties", property: "sasl.password", message: "s3cret is too short"),
                KafkaPropertyProblem(section: nil, property: nil, message: "no brokers for s3cret"),
            ]
        }
        let text = """
            version: 1
            clusters:
              main:
                properties: { bootstrap.servers: k, sasl.password: s3cret }
            routes: { a: { topics: [orders], forward: { to: main } } }
            """
        #expect(
            ConfigurationWorld(files: ["f": text], check: check).problems(["f"]) == [
                "f:3:3 clusters.main: no brokers for ***",
                "f:4:56 clusters.main.properties.sasl.password: *** is too short",
            ])
    }
}
