import Testing

@testable import ForebayDelivery

@Suite("Set aside: what is to be looked at again")
struct SetAsideChangesTests {
    @Test("each stage takes each changed topic once; one that begins looks at all")
    func changes() {
        var changes = SetAsideChanges()
        for topic in ["t", "t", "u"] { changes.insert(topic) }
        #expect(changes.has(for: .direct) && changes.has(for: .aside) && !changes.has(for: .hand), "by hand there is no stage")
        #expect(changes.take(for: .direct) == ["t", "u"] && changes.take(for: .direct) == [] && !changes.has(for: .direct))
        #expect(changes.has(for: .aside), "the other's are its own")
        changes.begin(.aside, ["v"])
        #expect(changes.take(for: .aside) == ["v"] && changes.take(for: .hand) == [])
    }

    @Test("what the reader is to do is taken once, in its order")
    func reading() {
        var reading = ReadRequests()
        #expect(reading.isEmpty)
        reading.drop(1)
        #expect(!reading.isEmpty)
        for unit: UInt64 in [3, 2] { reading.start(unit) }
        let (start, drop) = reading.take()
        #expect(start == [3, 2] && drop == [1] && reading.isEmpty)
    }
}
