import ForebayCore
import ForebayKafka
import ForebayTestKit
import Testing

@testable import ForebayDelivery

/// Where events go: keyless ones, and those of a size.
extension DeliveryStateSendingTests {
    @Test("keyless events stay at a partition until its bytes are used up, then go to another")
    func sticky() {
        var sizes = Driver()
        sizes.admit([EventFactory.Sample("t", value: "value")])
        let size = Int(sizes.state.window[0].bytes)
        for (bytes, run) in [(3 * size, 3), (3 * size - 1, 3), (3 * size + 1, 4), (1, 1)] {
            var driver = Driver { $0.stickyBytes = bytes }
            driver.admit((0..<60 * run).map { _ in EventFactory.Sample("t", value: "value") })
            driver.learn(partitions: 8)
            driver.pump()
            let places = driver.sent.sorted { $0.number < $1.number }.map(\.partition)
            let changes = (1..<places.count).filter { places[$0] != places[$0 - 1] }
            #expect(changes.allSatisfy { $0 % run == 0 } && changes.count > 30, "\(bytes) B of \(size)")
            #expect(Set(places) == Set(0..<8))
        }
    }

    @Test("of two partitions the lighter one gets them")
    func lighter() {
        var driver = Driver { $0.stickyBytes = 1 }
        driver.learn(partitions: 2)
        driver.admit(1000, partition: 0)
        driver.learn(partitions: 2)
        driver.admit((0..<400).map { _ in EventFactory.Sample("t", value: "v") })
        let heavy = driver.partition(0).events.queued - 1000
        #expect((60...140).contains(heavy), "where both choices fell on it: \(heavy) of 400")
        var partition = PartitionState(topic: 0, number: 0)
        (partition.events.queued, partition.events.outstandingBytes) = (3, 1000)
        #expect(partition.load == 1768)
    }

    @Test("a partition that lost its leader gets no keyless event any more, also where they were staying; with none left all get some")
    func live() {
        var driver = Driver()
        driver.admit([EventFactory.Sample("t", value: "v")])
        driver.learn(partitions: 3)
        let first = Int(driver.state.topics[0].events.sticky.partition)
        driver.report(driver.pump())
        var leaders = [Int32?](repeating: 1, count: 3)
        leaders[first] = nil
        driver.learn("t", leaders: leaders)
        driver.admit((0..<50).map { _ in EventFactory.Sample("t", value: "v") })
        #expect(driver.pump().count == 50 && driver.sent.dropFirst().allSatisfy { Int($0.partition) != first })

        var dark = Driver { $0.stickyBytes = 1 }
        dark.admit((0..<60).map { _ in EventFactory.Sample("t", value: "v") })
        let topic = dark.state.takeWanted(by: .main)[0]
        dark.state.learnedLimit(nil, topic, now: dark.now)
        dark.learn("t", leaders: [nil, nil, nil])
        #expect((0..<3).allSatisfy { dark.partition($0).events.queued > 5 } && dark.pump().isEmpty)
        dark.learn("t", leaders: [1, 1, 1])
        #expect(dark.pump().count == 60)
    }

    @Test("an event's own partition and its key decide, whichever partitions live")
    func keysAndPartitions() {
        var driver = Driver()
        driver.learn(partitions: 5)
        driver.admit([
            EventFactory.Sample("t", key: "k", value: "v", partition: 0), EventFactory.Sample("t", value: "v", partition: 4),
            EventFactory.Sample("t", key: "k", value: "v"), EventFactory.Sample("t", key: "", value: "v"),
        ])
        driver.learn(partitions: 5)
        driver.pump()
        let places = driver.sent.sorted { $0.number < $1.number }.map(\.partition)
        func partition(_ key: String) -> Int32 { Array(key.utf8).withUnsafeBytes { KafkaPartitioner.partition(of: $0, among: 5) } }
        #expect(places == [0, 4, partition("k"), partition("")])
    }

    @Test("what surely does not fit its topic goes alone; what may fit does not, nor anything that is compressed")
    func suspectBySize() {
        var sizes = Driver()
        sizes.admit(1, size: 1000)
        let size = Int(sizes.state.window[0].bytes)
        for (limit, isAlone) in [(size + 128, false), (size + 127, true)] {
            for isCompressed in [true, false] {
                var driver = Driver { $0.isCompressed = isCompressed }
                driver.learn()
                driver.admit(1, size: 1000)
                driver.learn(limit: limit)
                #expect(driver.topic().events.alone == (isAlone && !isCompressed ? 1 : 0))
            }
        }
    }

    @Test("a topic whose batches are smaller than the producer's goes through the small topics' producer; equal ones don't")
    func smallTopics() {
        for (limit, slot) in [(1_000_000, ProducerSlot.main), (999_999, .small)] {
            var driver = Driver()
            driver.admit(1)
            driver.learn(limit: limit)
            driver.pump()
            driver.learn(limit: limit)
            driver.pump()
            #expect(driver.sent.map(\.slot) == [slot])
            #expect(driver.state.topics.smallBatchSize == (slot == .small ? 999_871 : nil))
        }
        var driver = Driver()
        driver.admit(1, topic: "a")
        driver.learn(limit: 5000)
        driver.admit(1, topic: "b")
        driver.learn(limit: 3000)
        driver.admit(1, topic: "c")
        driver.learn(limit: 4000)
        #expect(driver.state.topics.smallBatchSize == 2872, "the smallest counts")
        driver.state.learnedLimit(6000, driver.index("b"), now: driver.now)
        #expect(driver.state.topics.smallBatchSize == 3872, "and no longer than it is so")
        driver.state.learnedLimit(100, driver.index("b"), now: driver.now)
        #expect(driver.state.topics.smallBatchSize == 1)
    }
}
