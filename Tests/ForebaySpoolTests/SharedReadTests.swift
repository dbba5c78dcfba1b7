import ForebayCore
import ForebayTestKit
import Foundation
import Glibc
import Testing

@testable import ForebaySpool

/// What several readers read from the disk, counted by the disk.
@Suite("Spool: readers that read together")
struct SharedReadTests {
    private let routes = (0..<8).map { RouteID(name: "r\($0)") }

    /// Reads one after the other, in turns, until all are at the end.
    private func finish(_ readings: [SharedReadWorld.Reading]) throws {
        while readings.contains(where: { !$0.reader.isCaughtUp }) {
            for reading in readings where !reading.reader.isCaughtUp { try reading.turn() }
        }
    }

    @Test("as many as stand at one place read what one reads, whatever the size of frames; the metric says so", arguments: [2, 3, 10])
    func together(count: Int) async throws {
        for (groups, events, size) in [(12, 30, 10_000), (100, 4, 10_000), (600, 1, 200), (6, 1, 900_000)] {
            let world = try SharedReadWorld()
            try await world.fill(groups, events: events, size: size)
            let alone = try world.reading()
            try alone.finish()
            let one = world.takeReads()
            #expect(world.counted == one.reduce(0) { $0 + Int($1.split(separator: "+").last!)! })
            let readings = try (0..<count).map { _ in try world.reading() }
            try self.finish(readings)
            let isSame = world.takeReads() == one
            #expect(isSame, "\(groups) groups of \(events) events of \(size) bytes")
            for reading in readings { #expect(reading.hasSame(as: alone) && reading.missing.isEmpty) }
            #expect(alone.events.count == groups * events)
            await world.spool.close()
        }
    }

    @Test("one reads each byte of its segments about once, and no other's")
    func alone() async throws {
        for (groups, events, size) in [(12, 30, 10_000), (6, 30, 23_000), (100, 4, 10_000), (600, 1, 200), (6, 1, 900_000)] {
            let world = try SharedReadWorld()
            try await world.fill(groups, events: events, size: size)
            try world.reading().finish()
            let (bytes, all) = (world.takeBytes(), world.segmentBytes)
            #expect(bytes >= all && bytes <= all + 16_384 * world.spool.segmentCount, "\(groups) groups of \(events) of \(size)")
            await world.spool.close()
        }
    }

    @Test("those far from each other read for themselves, and get the same")
    func apart() async throws {
        let world = try SharedReadWorld(shared: 1 << 20)
        try await world.fill(200)
        let first = try world.reading()
        try first.finish()
        let one = world.takeBytes()
        let (behind, ahead) = (try world.reading(), try world.reading(from: 400))
        try self.finish([behind, ahead])
        #expect(behind.hasSame(as: first) && ahead.events == Array(first.events.dropFirst(400)))
        let bytes = world.takeBytes()
        #expect(bytes > one * 14 / 10 && bytes < one * 16 / 10)
        #expect(world.sharedBytes <= 1 << 20)
        await world.spool.close()
    }

    @Test("one that stands still holds up nobody; when it goes on it reads what is not there any more")
    func stopped() async throws {
        let world = try SharedReadWorld(shared: 1 << 20)
        try await world.fill(200)
        let (slow, fast) = (try world.reading(), try world.reading())
        try slow.turn()
        try fast.finish()
        let one = world.takeBytes()
        #expect(one <= world.segmentBytes + 16_384 * world.spool.segmentCount)
        try slow.finish()
        #expect(slow.hasSame(as: fast) && world.takeBytes() > one * 9 / 10)
        await world.spool.close()
    }

    @Test("one that comes late reads what the first has passed, and with it from where it has come up")
    func late() async throws {
        let world = try SharedReadWorld(shared: 1 << 20)
        try await world.fill(300)
        let (first, late) = (try world.reading(), try world.reading())
        while first.next < 400 { try first.turn() }
        _ = world.takeReads()
        while true {
            for _ in 0..<3 where late.next < first.next { try late.turn() }
            if late.next >= first.next { break }
            try first.turn()
        }
        let met = first.next
        _ = world.takeReads()
        try self.finish([first, late])
        #expect(first.hasSame(as: late) && first.events.count == 1200)
        let rest = world.segmentBytes * (1200 - Int(met)) / 1200
        #expect(met < 1000 && world.takeBytes() < rest * 11 / 10 + (1 << 20))
        await world.spool.close()
    }

    @Test("readers of interleaved routes, two of each, read what one reads of all", arguments: [200, 3000, 20_000])
    func interleaved(size: Int) async throws {
        let world = try SharedReadWorld()
        try await world.fill(size > 1000 ? 60 : 300, self.routes, size: size)
        let readings = try (self.routes + self.routes).map { try world.reading($0) }
        try self.finish(readings)
        let all = world.segmentBytes
        #expect(world.takeBytes() <= all * 103 / 100 + 65_536)
        for (place, reading) in readings.enumerated() {
            let expected = readings[place % 8]
            #expect(reading.hasSame(as: expected) && reading.events.count == (size > 1000 ? 240 : 1200))
        }
        await world.spool.close()
    }

    @Test("others' large payloads are not read, small ones are read through")
    func passedOver() async throws {
        for (size, isRead) in [(200, true), (10_000, true), (50_000, false)] {
            let world = try SharedReadWorld(segmentSize: 64 << 20)
            try await world.fill(40, [routeA], events: 4, size: size)
            try await world.fill(1, [routeB], events: 1, size: 10)
            let reading = try world.reading(routeB)
            try reading.finish()
            #expect(reading.events.count == 1)
            let (bytes, all) = (world.takeBytes(), world.segmentBytes)
            if isRead { #expect(bytes >= all && bytes < all + 65_536) } else { #expect(bytes < all / 5) }
            await world.spool.close()
        }
    }

    @Test("of segments without a route's events nothing is read, nor of one behind the last of them; they are found behind such ones")
    func skipped() async throws {
        let world = try SharedReadWorld(segmentSize: 1 << 20)
        try await world.fill(1, [routeB])
        try await world.fill(100, [routeA])
        try await world.fill(1, [routeB])
        try await world.fill(100, [routeA])
        #expect(world.spool.segmentCount > 8)
        let reading = try world.reading(routeB)
        try reading.finish()
        #expect(reading.events.count == 8 && reading.next == world.spool.durableEnd && reading.missing.isEmpty)
        let files = Set(world.takeReads().map { $0.split(separator: "@")[0] })
        #expect(files.count == 2)
        // In the first it is the first frame.
        try world.reading(routeB).turn(upTo: 1)
        #expect(world.takeBytes() < 128 << 10)
        await world.spool.close()
    }

    @Test("what is read while more comes is what was durable, for each, to the end")
    func growing() async throws {
        let world = try SharedReadWorld(segmentSize: 1 << 20)
        let readings = try (0..<3).map { _ in try world.reading() }
        for round in 0..<60 {
            try await world.fill(1, events: 2, size: 4000 + round * 100)
            for (place, reading) in readings.enumerated() where (round + place) % (place + 1) == 0 { try reading.turn() }
        }
        try self.finish(readings)
        for reading in readings {
            #expect(reading.events.count == 120 && reading.hasSame(as: readings[0]) && reading.missing.isEmpty)
        }
        await world.spool.close()
    }

    @Test("it is bounded, whatever the number of readers, and nothing is kept when nobody reads the disk")
    func bounded() async throws {
        let world = try SharedReadWorld(shared: 3 << 20)
        try await world.fill(200, self.routes, size: 1000)
        let readings = try self.routes.map { try world.reading($0) }
        var most = 0
        while readings.contains(where: { !$0.reader.isCaughtUp }) {
            for reading in readings {
                try reading.turn()
                #expect(world.sharedBytes <= 3 << 20)
                most = max(most, world.sharedBytes)
            }
        }
        for reading in readings { try reading.turn() }
        #expect(most > 1 << 20 && world.sharedBytes == 0)
        // Nor when one is given up in the middle.
        var others = try [world.reading(), world.reading()]
        for other in others { try other.turn() }
        #expect(world.sharedBytes > 0)
        others = []
        #expect(world.sharedBytes == 0)
        await world.spool.close()
    }

    @Test("batches in flight are memory that another follows in for nothing")
    func inFlight() async throws {
        let world = try SharedReadWorld(shared: 1 << 20)
        try await world.fill(40, events: 1, size: 900_000)
        var inFlight: [Batch] = []
        let (ahead, behind) = (try world.reading(), try world.reading())
        while inFlight.count < 20 { inFlight += try ahead.reader.readDisk(upTo: 1) }
        _ = world.takeReads()
        while behind.next < 20 { try behind.turn(upTo: 1) }
        #expect(world.takeReads().isEmpty && behind.events.count == 20)
        #expect(world.sharedBytes <= 1 << 20)
        inFlight = []
        try world.reading().turn(upTo: 1)
        #expect(!world.takeReads().isEmpty, "it is nobody's any more")
        await world.spool.close()
    }
}
