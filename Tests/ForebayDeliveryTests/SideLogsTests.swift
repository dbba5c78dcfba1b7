import ForebayCore
import Testing

@testable import ForebayDelivery

@Suite("Side logs: what is on its way into them, and their room")
struct SideLogsTests {
    private static let full = ForebayError(.spoolFull, recovery: .retry, "no room")
    private static let broken = ForebayError(.systemCall, recovery: .retry, "no file")

    private static func part(_ unit: UInt64, _ flights: Range<UInt64>) -> SetAsideQueue.Part {
        SetAsideQueue.Part(unit: unit, topic: "t\(unit)", code: "X", flights: Array(flights)[...])
    }

    private static func queue(_ parts: [SetAsideQueue.Part]) -> SetAsideQueue {
        var queue = SetAsideQueue()
        for part in parts { queue.append(part) }
        return queue
    }

    private static func told(_ group: [SetAsideQueue.Part]) -> [[UInt64]] { group.map { [$0.unit] + $0.flights } }

    // MARK: The queue

    @Test("a group is bounded in bytes and in units, and what is left of a unit is the next group's; one that is too large goes alone")
    func groups() {
        var queue = Self.queue([Self.part(1, 0..<3), Self.part(2, 3..<4), Self.part(3, 4..<5)])
        #expect(queue.count == 5 && queue.units == [1, 2, 3])
        #expect(Self.told(queue.takeGroup(bytes: 20, units: 9) { _ in 10 }) == [[1, 0, 1]])
        #expect(Self.told(queue.takeGroup(bytes: 1000, units: 2) { _ in 10 }) == [[1, 2], [2, 3]] && queue.count == 1)
        #expect(Self.told(queue.takeGroup(bytes: 1, units: 9) { _ in 10 }) == [[3, 4]] && queue.isEmpty)
        #expect(queue.takeGroup(bytes: 1, units: 9) { _ in 10 }.isEmpty)
    }

    @Test("a group that is put back is the next one; what is taken of some units leaves the others in their order")
    func putBack() {
        var queue = Self.queue([Self.part(1, 0..<2), Self.part(2, 2..<3)])
        let group = queue.takeGroup(bytes: 1, units: 9) { _ in 10 }
        queue.append(Self.part(1, 7..<8))
        queue.putBack(group)
        #expect(queue.count == 4 && queue.take([1]) == [0, 1, 7] && queue.units == [2])
        #expect(Self.told(queue.takeAll()) == [[2, 2]] && queue.isEmpty)
    }

    // MARK: Room

    @Test("a log wants room since it was first refused some, for the newest reason, until it takes something")
    func wants() {
        var rooms = RoomWants()
        _ = rooms.refused(.setAside, Self.full, now: 5, wall: 100)
        _ = rooms.refused(.deadLetters, Self.full, now: 6, wall: 101)
        _ = rooms.refused(.setAside, Self.broken, now: 7, wall: 102)
        #expect(rooms.all.map(\.log) == [.deadLetters, .setAside] && rooms.all.map(\.since) == [101, 100])
        #expect(rooms.all.map(\.error.code) == [.spoolFull, .systemCall] && rooms.failures(of: .setAside) == 2)
        rooms.stored(.setAside)
        #expect(rooms.all.map(\.log) == [.deadLetters] && rooms.failures(of: .setAside) == 0 && rooms.failures(of: .deadLetters) == 1)
        _ = rooms.refused(.setAside, Self.full, now: 8, wall: 109)
        #expect(rooms.all.last?.since == 109, "this time it is another want")
    }

    @Test("tries are counted by log: after five, ten, twenty and each thirty the cluster is asked once more")
    func tries() {
        var rooms = RoomWants()
        let tries = (1...125).filter { _ in
            _ = rooms.refused(.deadLetters, Self.full, now: 0, wall: 0)
            return rooms.refused(.setAside, Self.full, now: 0, wall: 0)
        }
        #expect(tries == [5, 10, 20, 30, 60, 90, 120])
        rooms.forget(.setAside)
        #expect(rooms.failures(of: .setAside) == 125 && rooms.all.map(\.log) == [.deadLetters], "nothing wants to go there, and it is full")
    }

    @Test("a want lapses when nothing asked for so long, and only while nothing is on its way", arguments: [9, 10])
    func lapses(passed: UInt64) {
        var logs = SideLogs(deadLetters: RecordingLetters())
        logs.setAside(Self.part(1, 0..<1))
        let group = logs.takeGroup(DeliverySettings()) { _ in 1 }
        #expect(logs.refused(group, Self.full, now: 100, wall: 1) == false && logs.refusedLetters(Self.full, now: 100, wall: 2) == false)
        #expect(logs.lapse(hasLetters: true, now: 100 + passed, after: 10).isEmpty && logs.rooms.all.count == 2)
        #expect(logs.lapse(hasLetters: false, now: 100 + passed, after: 10) == (passed == 10 ? [.deadLetters] : []))
        _ = logs.requeue([1])
        #expect(logs.lapse(hasLetters: false, now: 100 + passed, after: 10) == (passed == 10 ? [.setAside] : []))
        #expect(logs.rooms.all.count == (passed == 10 ? 0 : 2) && logs.rooms.failures(of: .setAside) == (passed == 10 ? 0 : 1))
        #expect(logs.rooms.failures(of: .deadLetters) == 1, "only a letter that is written begins them anew")
    }

    @Test("a refused group is the next one again; a run that ends forgets it, and one that begins wants no room")
    func ends() {
        var logs = SideLogs(deadLetters: RecordingLetters())
        logs.setAside(Self.part(1, 0..<2))
        logs.setAside(Self.part(2, 2..<3))
        let group = logs.takeGroup(DeliverySettings()) { _ in 1 << 20 }
        _ = logs.refused(group, Self.full, now: 0, wall: 0)
        #expect(Self.told(group) == [[1, 0]] && Self.told(logs.takeAll()) == [[1, 0], [1, 1], [2, 2]])
        logs.setAside(Self.part(1, 0..<2))
        logs.end()
        #expect(logs.queue.isEmpty && logs.rooms.all.count == 1)
        logs.begin()
        #expect(logs.rooms.all.isEmpty && logs.rooms.failures(of: .setAside) == 0)
        logs.stored(.setAside)
        #expect(logs.rooms.all.isEmpty)
    }
}
