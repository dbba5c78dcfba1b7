import ForebayCore
import Testing

@testable import ForebayDelivery

@Suite("Topic table: names, use, holds and limits, by itself")
struct TopicTableTests {
    private static func use(_ name: String, _ table: inout TopicTable) -> Int {
        var name = name
        return name.withUTF8 { bytes in
            let bytes = UnsafeRawBufferPointer(bytes)
            if let topic = table.use(bytes) { return topic }
            let topic = table.add(bytes)
            table.use(topic)
            return topic
        }
    }

    private static func table(_ count: Int) -> TopicTable {
        var table = TopicTable()
        for number in 0..<count {
            table.beginAdmission()
            let topic = self.use("t\(number)", &table)
            table.listIfIdle(topic)
        }
        return table
    }

    @Test("those without events are forgotten beyond their number, the longest unused first; their indices are used again")
    func forgets() {
        var table = Self.table(5)
        #expect(table.forgetIdle(beyond: 5, alsoUsedNow: true).isEmpty && table.count == 5)
        let forgotten = table.forgetIdle(beyond: 4, alsoUsedNow: true)
        #expect(forgotten == [0, 1, 2] && table.count == 2 && table.index(of: "t1") == nil && table.index(of: "t3") == 3)
        #expect(table[1].name == "t1", "still to be read, once")
        #expect(forgotten.contains(Self.use("new", &table)) && table.indices.count == 5)
    }

    @Test("one that has events, is asked for, has deliveries to be counted, or was used since stays")
    func stays() {
        var table = Self.table(6)
        table[0].events.assigned = 1
        table[1].metadata.isAsked = true
        table[2].events.delivered = 1
        table.beginAdmission()
        _ = Self.use("t3", &table)
        #expect(table.forgetIdle(beyond: 0, alsoUsedNow: false) == [4, 5])
        #expect(table.idle.count == 3, "the one with events is listed again when it has none")
        table.listIfIdle(0)
        table[0].events.assigned = 0
        #expect(table.forgetIdle(beyond: 0, alsoUsedNow: false) == [0], "the others are as before; used now: it stays")
        #expect(table.forgetIdle(beyond: 0, alsoUsedNow: true) == [3])
    }

    @Test("held topics come back at their times, but for those that went another way")
    func holds() {
        var table = Self.table(4)
        for topic in 0..<4 { table.backOff(topic, until: UInt64(100 + 10 * topic)) }
        #expect(table.takeDue(now: 99).isEmpty && table.backingOff.nextUntil == 100)
        table[1].phase = .unknown
        #expect(table.takeDue(now: 120) == [0, 2] && table.backingOff.topics == [3] && table.backingOff.nextUntil == 130)
        #expect(table[0].phase == .unknown && table[3].phase == .backingOff(until: 130))
        #expect(table.takeDue(now: 130) == [3] && table.backingOff.nextUntil == .max)
    }

    @Test("limits are asked for once, of topics that the main producer knows, some at a time")
    func limits() {
        var table = Self.table(5)
        for topic in [4, 0, 1, 4, 2, 3] {
            table.wantLimit(of: topic)
            table[topic].setKnown(by: .main, topic != 1)
        }
        table[2].limits.isKnown = true
        (table[3].limits.isKnown, table[3].limits.isStale) = (true, true)
        #expect(table.takeLimitsWanted(atMost: 2) == [4, 0] && table.takeLimitsWanted(atMost: 2) == [3])
        table.wantLimit(of: 4)
        #expect(table.takeLimitsWanted(atMost: 9) == [4])
    }

    @Test("small batches fit the smallest limit of those that need them")
    func smallBatches() {
        var table = Self.table(4)
        #expect(table.smallBatchSize == nil)
        table.setLimit(5000, of: 0, batchSize: 4000)
        #expect(table.smallBatchSize == nil && table[0].producers.slot == .main)
        table.setLimit(3000, of: 1, batchSize: 4000)
        table.setLimit(2000, of: 2, batchSize: 4000)
        #expect(table.smallBatchSize == 1872 && table[2].producers.slot == .small)
        #expect(table.forgetIdle(beyond: 0, alsoUsedNow: true).count == 4 && table.smallBatchSize == nil)
    }
}
