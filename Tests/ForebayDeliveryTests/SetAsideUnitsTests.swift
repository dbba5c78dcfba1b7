import Testing

@testable import ForebayDelivery

@Suite("Set aside: units by number and topic")
struct SetAsideUnitsTests {
    private static func unit(
        _ number: UInt64, _ topic: String, _ partition: Int32? = nil, of count: Int32 = 0, turn: Int = 0, until: UInt64 = 0
    ) -> SetAsideUnit {
        var unit = SetAsideUnit(
            number: number, key: SetAsideKey(topic, partition), partitionCount: count, code: "", reason: "", since: 0, oldestAcceptedAt: 0)
        (unit.turn, unit.phase) = (turn, .waiting(until: until))
        return unit
    }

    private static func units(_ all: [SetAsideUnit]) -> SetAsideUnits {
        var units = SetAsideUnits(nextNumber: 9)
        for unit in all { units.add(unit) }
        return units
    }

    @Test("a unit is found by its number, its topic, and its key in a turn, until it is removed")
    func found() {
        var units = Self.units([Self.unit(3, "t", 1), Self.unit(1, "t"), Self.unit(2, "u"), Self.unit(4, "t", 1, turn: 2)])
        #expect(units.numbers(of: "t") == [3, 1, 4] && units.units(of: "u").map(\.number) == [2], "in the order in which they came")
        #expect(units.number(of: SetAsideKey("t", 1), turn: 0) == 3 && units.number(of: SetAsideKey("t", 1), turn: 2) == 4)
        #expect(units.number(of: SetAsideKey("t", 1), turn: 1) == nil && units.number(of: SetAsideKey("x"), turn: 0) == nil)
        #expect(units.holds("t", turn: 2) && !units.holds("t", turn: 1) && !units.holds("x", turn: 0))
        #expect(units.count == 4 && units.topics == ["t", "u"] && Set(units.all.map(\.number)) == [1, 2, 3, 4])
        for number: UInt64 in [3, 1] { #expect(units.remove(units[number]!) == false, "not its topic's last") }
        #expect(units.numbers(of: "t") == [4] && units[3] == nil && units.holds("t"))
        #expect(units.remove(units[4]!) && !units.holds("t") && units.numbers(of: "t") == [] && !units.isEmpty)
        #expect(units.remove(units[2]!) && units.isEmpty)
    }

    @Test("what is changed in place stays found, and numbers are given once")
    func changed() {
        var units = Self.units([Self.unit(3, "t")])
        units[3]!.settled = 7
        units[8]?.settled = 7
        #expect(units[3]?.settled == 7 && units.units(of: "t").map(\.settled) == [7] && units[8] == nil)
        #expect([units.takeNumber(), units.takeNumber()] == [9, 10])
    }

    @Test("those that wait until now are due, those that are tried are counted, and the next of the others is told")
    func due() {
        var units = Self.units((1...4).map { Self.unit($0, "t\($0)", until: $0 * 10) })
        units[4]!.phase = .draining
        let looked = units.due(now: 20)
        #expect(looked.due.sorted { $0 < $1 }.map(\.number) == [1, 2] && looked.due.map(\.until).sorted() == [10, 20])
        #expect(looked.tried == 1 && looked.next == 30)
        #expect(units.due(now: 30).next == .max && units.due(now: 30).due.count == 3, "nothing else waits")
        #expect(units.due(now: 9).due.isEmpty && units.due(now: 9).next == 10)
    }

    @Test("a whole topic's unit is behind those of partitions that its topic has not any more, in the same turn")
    func narrowed() {
        var units = Self.units([Self.unit(1, "t"), Self.unit(2, "t", 0, of: 4), Self.unit(3, "t", turn: 1)])
        #expect(!units.isBehindPartitions(units[1]!), "nobody has told how many there are")
        #expect(units.learn(partitions: 4, of: "x") == false, "nothing of it is set aside")
        for count in [4, 9] {
            #expect(units.learn(partitions: count, of: "t") && units.learn(partitions: count, of: "t") == false, "told again")
            #expect(!units.isBehindPartitions(units[1]!) && !units.isNarrowed("t", to: count, turn: 0))
        }
        #expect(units.learn(partitions: 3, of: "t") && units.isBehindPartitions(units[1]!) && units.isNarrowed("t", to: 3, turn: 0))
        #expect(!units.isBehindPartitions(units[2]!) && !units.isBehindPartitions(units[3]!), "a partition, and another turn")
        for number: UInt64 in [3, 2, 1] { _ = units.remove(units[number]!) }
        for unit in [Self.unit(4, "t"), Self.unit(5, "t", 0, of: 4)] { units.add(unit) }
        #expect(!units.isBehindPartitions(units[4]!), "with its last unit what was told of a topic is forgotten")
    }
}
