import ForebayCore
import ForebayKafka
import ForebayNet
import ForebaySpool
import ForebayTelemetry
import ForebayTestKit
import Foundation
import Synchronization
import Testing

@testable import ForebayDelivery

/// Logs that hold events of one topic take turns, also over restarts.
extension SetAsideOnDiskTests {
    @Test("logs that hold events of one topic take turns, the oldest events first; what newer ones are added to comes last")
    func logsInTurns() async throws {
        let worlds = try (0..<4).map { _ in try SetAsideWorld() }
        for (world, time) in zip(worlds, [20, 5, 10] as [Int64]) { try await world.add("t", ["1", "2"], acceptedAt: time) }
        try await worlds[1].add("other", ["1"])
        SetAside.order("t", in: worlds.dropLast().reversed().map(\.setAside), ends: [worlds[3].setAside])
        try await worlds[3].add("t", ["3", "4"], acceptedAt: 1)
        for (turn, place) in [1, 2, 0, 3].enumerated() {
            #expect(worlds.map { $0.setAside.due(now: 1000)["t"] != nil } == (0..<4).map { $0 == place }, "turn \(turn)")
            worlds[place].find("t")
            for reading in worlds[place].setAside.takeReading().start {
                worlds[place].setAside.hasRead(reading.unit, pass: reading.pass, through: 2, acceptedAt: 7)
                worlds[place].setAside.settle(reading.unit, pass: reading.pass, through: 1)
                #expect(worlds.allSatisfy { $0.setAside.due(now: 2000)["t"] == nil }, "some of it is left")
                worlds[place].setAside.settle(reading.unit, pass: reading.pass, through: 2)
            }
        }
        #expect(worlds.map { $0.setAside.topics } == [[], ["other"], [], []])
        // The next time is as if there had been none.
        try await worlds[3].add("t", ["5"])
        #expect(worlds[3].setAside.due(now: 3000)["t"] != nil)
        for world in worlds { await world.log.close() }
    }

    @Test("after a restart moved events come before what came to their topic after them, whatever their times say")
    func turnsOnDisk() async throws {
        // A replay stamps the time of now; what goes direct may be far older.
        for (replays, newer) in [(true, 5), (false, 5), (false, 50), (true, .max)] as [(Bool, Int64)] {
            var world = try SetAsideWorld()
            let record = EventFactory.batch([.init("t", value: "r", id: "r")], spool: .none, first: 0).withUnsafeBytes { Array($0) }
            if replays { try await world.setAside.replay([.init(topic: "t", record: record)]) }
            for round in 0..<3 {
                try await world.add("s", ["s\(round)"], acceptedAt: 20)
                let executor = world.executor
                let moved = try await world.setAside.move(.init(topic: "s"), to: "t", executor: executor)
                #expect(moved.taken.map(\.events) == [1])
                try await world.add("t", ["t\(round)"], acceptedAt: newer == .max ? 1 << 50 : newer - Int64(round))
            }
            for restart in 0..<2 {
                SetAside.order("t", in: [world.setAside], ends: [world.setAside])
                var order: [[UInt64]] = []
                while order.count < 4 {
                    let due = world.setAside.change { state -> [UInt64] in
                        state.units.numbers(of: "t").filter { state.isTurn(of: state.units[$0]!) }
                    }
                    order.append(due)
                    if restart == 0 { break }
                    world.setAside.change { state in
                        for number in due {
                            state.take([number])
                            state.settleByHand(number, through: state.units[number]!.end, now: 0)
                        }
                    }
                }
                let all = world.setAside.change { $0.units.all.sorted { $0.turnInLog < $1.turnInLog }.map(\.number) }
                if restart == 0 {
                    #expect(order == [[all[0]]] && all.count == 4)
                    // One that comes now, and has a place of its own on disk, comes last at the next start, too.
                    try await world.add("t", ["late"], partition: 1, acceptedAt: 1)
                    world = try await SetAsideWorld(after: world)
                } else {
                    #expect(order.count == 4 && Set(order.joined()).count == 5 && order.last?.count == 2 && all.isEmpty)
                    // They are numbered as they came.
                    #expect(order.flatMap { $0.sorted() } == order.joined().sorted(), "\(replays) \(newer): \(order)")
                }
            }
            await world.log.close()
        }
    }

    @Test("units of one log that follow each other share a turn, and those of others come between")
    func sharedTurns() async throws {
        let (one, other) = (try SetAsideWorld(), try SetAsideWorld())
        for (world, partition, acceptedAt) in [(one, nil, 1), (one, 1, 2), (other, 2, 3), (one, 3, 4)] as [(SetAsideWorld, Int32?, Int64)] {
            try await world.add("t", ["v"], partition: partition, acceptedAt: acceptedAt)
        }
        SetAside.order("t", in: [other.setAside, one.setAside], ends: [one.setAside])
        func turns(_ world: SetAsideWorld) -> [Int32?: Int] {
            Dictionary(uniqueKeysWithValues: world.setAside.state.withLock { $0.units.all.map { ($0.key.partition, $0.turn) } })
        }
        #expect(turns(one) == [nil: 0, 1: 0, 3: 2] && turns(other) == [2: 1])
        for world in [one, other] { await world.log.close() }
    }
}
