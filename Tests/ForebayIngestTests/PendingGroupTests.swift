import ForebayCore
import Testing

@testable import ForebayIngest

@Suite("Pending group")
struct PendingGroupTests {
    @Test("keeps of each request the ids that are its own, of the first event and of the last") func ids() throws {
        let made = MadeRequests()
        let group = PendingGroup(number: 1, expecting: 4)
        #expect(group.isEmpty)
        let target = madeTarget("a")
        for ids in [["own"], ["", ""], ["x", "", "z"], ["", "last"]] { try made.add(ids, of: target, to: group) }
        func text(_ range: Range<Int>) -> String { String(decoding: group.ids[range], as: UTF8.self) }
        #expect(group.requests.map { text($0.firstID) } == ["own", "", "x", ""])
        #expect(group.requests.map { text($0.lastID) } == ["own", "", "z", "last"])
        #expect(group.requests.map(\.count) == [1, 2, 3, 2])
        #expect(made.close(group).map(\.count) == [8])
        #expect(group.requests.map { group.batches.sequence(of: $0.last, [11]) } == [11, 13, 16, 18])
        #expect(group.batches.end([11]) == 19)
    }

    @Test("a request weighs its body, or its records where these are more") func weight() throws {
        let made = MadeRequests()
        let group = PendingGroup(number: 1, expecting: 1)
        let target = madeTarget("a")
        try made.add([""], of: target, to: group, bodyCount: 10_000)
        #expect(group.weight == 10_000)
        try made.add([""], of: target, to: group, bodyCount: 1)
        #expect(group.weight > 10_001 && group.bodyCount == 10_001)
    }

    @Test("events of requests that wait for Kafka are counted with their answers, and their topics held all the same") func waits() throws {
        let made = MadeRequests()
        let group = PendingGroup(number: 1, expecting: 1)
        let (a, b) = (madeTarget("a"), madeTarget("b"))
        let wait = KafkaWait(id: MadeRequests.id(2), positions: [], targets: [(b, 1)], deadline: 0)
        try made.add(["", ""], of: a, to: group)
        try made.add([""], of: b, to: group, wait: wait)
        #expect(group.counts.entries.map(\.target.name) == ["a"] && group.counts.entries.map(\.count) == [2])
        #expect(group.waits.count == 1 && group.waits[0] === wait)
        #expect(a.use?.pending == 1 && b.use?.pending == 1)
        group.topics.settled(in: made.topics, end: 9)
        #expect(a.use?.pending == 0 && b.use?.pending == 0 && b.use?.end == 9)
    }

    @Test("the next one counts on its own") func next() throws {
        let made = MadeRequests()
        let target = madeTarget("a")
        var group = PendingGroup(number: 1, expecting: 1)
        for _ in 1...3 {
            try made.add([""], of: target, to: group)
            #expect(group.counts.entries.map(\.count) == [1])
            group = group.next(expecting: 1)
            #expect(group.isEmpty && group.counts.entries.isEmpty && !group.isSettled)
        }
    }
}
