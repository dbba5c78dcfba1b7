import ForebayTelemetry
import Testing

@testable import ForebayIngest

/// A topic as producers name it; its hash is of no matter where it is not looked up.
func madeTarget(_ name: String, route: Int = 0, topic: IngestConfiguration.Topic? = nil) -> TopicTarget {
    Array(name.utf8).withUnsafeBytes { TopicTarget(name: $0, hash: 7, route: route, topic: topic, maximumEvent: 100) }
}

@Suite("Topic spelling")
struct TopicSpellingTests {
    private static func isPosted(_ name: String, hash: UInt64, renamed: String?) -> (Bool, stored: String) {
        Array("orders".utf8).withUnsafeBytes { posted in
            let spelling = TopicSpelling(posted: posted, hash: 7, renamed: renamed)
            let isPosted = Array(name.utf8).withUnsafeBytes { spelling.isPosted($0, hash: hash) }
            return (isPosted, String(decoding: spelling.stored, as: UTF8.self))
        }
    }

    @Test("is found by the name that producers use and its hash, and stored under the other", arguments: [nil, "orders.v2", "o"])
    func names(_ renamed: String?) {
        #expect(Self.isPosted("orders", hash: 7, renamed: renamed) == (true, renamed ?? "orders"))
        #expect(!Self.isPosted("orders", hash: 8, renamed: renamed).0)
        for other in ["order", "orders2", "orderS", "orders.v2", ""] { #expect(!Self.isPosted(other, hash: 7, renamed: renamed).0) }
    }
}

@Suite("Rules of one topic")
struct OneTopicRulesTests {
    @Test("an event may be as large as the bound, and who is refused is told which one that is")
    func sizes() throws {
        for (own, most, key) in [(nil, 100, "limits.event"), (50, 50, "topics.t.max_event"), (200, 100, "limits.event")]
            as [(Int?, Int, String)]
        {
            let rules = TopicRules(of: "t", own.map { .init(maximumEvent: $0) }, maximumEvent: 100)
            try rules.check(size: most, event: 0)
            let refusal = #expect(throws: Refusal.self) { try rules.check(size: most + 1, event: 3) }
            #expect(refusal?.code == .eventTooLarge)
            #expect(refusal?.detail == "\(most + 1) bytes with key and headers, at most \(most) are allowed (\(key))")
        }
    }

    @Test("without a word about the topic values may be anything, and have no key") func defaults() {
        let rules = TopicRules(of: "t", nil, maximumEvent: 100)
        #expect(!rules.requiresJSON && rules.key == nil)
        #expect(TopicRules(of: "t", .init(valueIsJSON: true), maximumEvent: 100).requiresJSON)
    }
}

@Suite("Counts of accepted events")
struct TopicCountsTests {
    @Test("a topic has one place in a group, and a new one in the next") func places() {
        let a = madeTarget("a")
        let b = madeTarget("b")
        var first = TopicCounts(group: 1)
        first.add([(a, 2), (b, 1), (a, 3)])
        first.add([(b, 5)])
        #expect(first.entries.map(\.target.name) == ["a", "b"] && first.entries.map(\.count) == [5, 6])
        var second = TopicCounts(group: 2)
        second.add([(b, 1), (a, 1), (b, 1)])
        #expect(second.entries.map(\.target.name) == ["b", "a"] && second.entries.map(\.count) == [2, 1])
        #expect(first.entries.map(\.count) == [5, 6])
    }

    @Test("nothing was counted in any group before the first") func none() {
        #expect(CountedPlace().place(in: 1) == nil)
        #expect(CountedPlace(3, in: 2).place(in: 2) == 3 && CountedPlace(3, in: 2).place(in: 3) == nil)
    }

    @Test("a topic has a series once an event of it was accepted, by the name that producers use") func metrics() {
        let registry = MetricsRegistry()
        let metrics = IngestMetrics(registry: registry)
        let target = madeTarget("a", topic: .init(rename: "b"))
        #expect(!registry.render().contains(#"topic="a""#))
        target.count(2, in: metrics)
        target.count(3, in: metrics)
        #expect(registry.render().contains(#"forebay_ingest_events_total{durability="durable",topic="a"} 5"#))
    }
}

@Suite("Topics that a group holds")
struct HeldTopicsTests {
    @Test("a topic is held once by a group, and let go when that is settled, up to its end") func heldOnce() throws {
        let topics = UnsettledTopics([.init(name: "r", topics: ["*"])])
        let target = madeTarget("a")
        var groups = [HeldTopics(), HeldTopics()]
        for group in [0, 0, 1] {
            try topics.admit(target, event: 0)
            groups[group].hold([(target, 1), (target, 2)], in: topics)
        }
        let use = try #require(target.use)
        #expect(use.pending == 2)
        groups[0].settled(in: topics, end: 7)
        #expect(use.pending == 1 && use.end == 7)
        groups[1].settled(in: topics, end: nil)
        #expect(use.pending == 0 && use.end == 7)
    }
}
