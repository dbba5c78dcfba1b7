import ForebayCore
import ForebayTelemetry
import ForebayTestKit
import Foundation
import Testing

@testable import ForebaySpool

/// Where there is no room, and what room is kept for.
extension FaultTests {
    @Test("starts on a full disk, delivers, moves cursors, refuses, and accepts again when there is room", arguments: [true, false])
    func fullAtStart(isClean: Bool) async throws {
        let fixture = try await self.filled(SpoolFixture(segmentSize: 64 << 10), isClean: isClean)
        let disk = FaultDisk()
        disk.tell((free: 0, total: 1 << 40))
        disk.fail { call, path in
            guard call == .write, !path.hasSuffix("/lock"), !path.contains("/cursors/"), !path.hasSuffix("/mark") else { return nil }
            // In a segment that has room of its own nothing is taken from the disk.
            return isClean ? ENOSPC : nil
        }
        let spool = try fixture.open(on: disk, roomInterval: 10)
        let a = try await spool.cursor("forward/a", route: routeA), b = try await spool.cursor("forward/b", route: routeB)
        await spool.releasePassedSegments()
        #expect(spool.isFull)
        await #expect(throws: ForebayError.self) { try await spool.commit([submission([(routeA, ["no"])])]) }
        #expect(try spool.events().count == 12)
        a.move(to: 6, settled: 3)
        b.move(to: 6, settled: 3)
        await spool.syncCursors()
        #expect(spool.start > 0, "what is settled makes room")
        disk.fail(nil)
        disk.tell(nil)
        #expect(await eventually { !spool.isFull })
        _ = try await spool.commit([submission([(routeA, ["yes"])])])
        #expect(try spool.events(from: 12).map(\.1) == ["yes"])
        await spool.close()
    }

    @Test("while there is no room it is looked for again, without anybody writing")
    func roomAgain() async throws {
        let fixture = SpoolFixture(segmentSize: 64 << 10)
        let disk = FaultDisk()
        let spool = try fixture.open(on: disk, roomInterval: 10)
        _ = try await spool.commit([submission([(routeA, ["x"])])])
        disk.tell((free: 0, total: 1 << 40))
        disk.fail { call, path in call == .write && path.contains("/new-") ? ENOSPC : nil }
        await #expect(throws: ForebayError.self) {
            for _ in 0..<40 { _ = try await spool.commit([submission([(routeA, ["small"])])]) }
        }
        #expect(spool.isFull)
        disk.tell(nil)
        disk.fail(nil)
        #expect(await eventually { !spool.isFull })
        await spool.close()
    }

    @Test("each kill gives back the room that was kept for what did not come")
    func tailIsCut() async throws {
        var fixture = SpoolFixture(segmentSize: 1 << 20)
        for _ in 0..<4 {
            let spool = try fixture.open(preparesNext: true)
            _ = try await spool.cursor("forward/a", route: routeA)
            await spool.releasePassedSegments()
            for _ in 0..<3 { _ = try await spool.commit([submission([(routeA, ["small"])])]) }
            #expect(await eventually { spool.view.roomWithoutNewFile > 900 << 10 })
            for _ in 0..<3 { _ = try await spool.commit([submission([(routeA, ["small"])])]) }
            let copy = try fixture.crashed()
            await spool.close()
            fixture = copy
        }
        let spool = try fixture.open()
        #expect(try spool.events().count == 24)
        let bytes = try fixture.segmentFiles().reduce(0) { try $0 + Data(contentsOf: URL(filePath: $1)).count }
        #expect(bytes < 1 << 20, "four preallocated tails would be 4 MiB")
        await spool.close()
    }

    @Test("the reserve is a file until it is needed: then what must go on has room")
    func ballast() async throws {
        let fixture = SpoolFixture(segmentSize: 64 << 10)
        let disk = FaultDisk()
        let budget = try SpoolBudget(capacity: 64 << 20, directory: fixture.directory, disk: disk, ballast: 128 << 10)
        let spool = try fixture.open(on: disk, budget: budget)
        await spool.releasePassedSegments()
        let path = fixture.directory + "/ballast"
        #expect(await eventually { FileManager.default.fileExists(atPath: path) && budget.usedBytes >= 128 << 10 })
        let (threads, metrics) = (fixture.threads, fixture.metrics)
        let letters = try DeadLetters(route: "a", directory: fixture.directory + "/letters", disk: disk, threads: threads) {
            folder throws(ForebayError) in
            let configuration = SpoolConfiguration(directory: folder, kind: .deadLetters, segmentSize: 64 << 10) { fatalError("\($0)") }
            return try Spool.open(configuration, budget: budget, threads: threads, metrics: SpoolMetrics(metrics))
        }
        disk.tell((free: 0, total: 1 << 40))
        budget.refresh()
        #expect(spool.isFull)
        let record = batch(routeA, ["poison"]).withUnsafeBytes { Array($0) }
        let letter = DeadLetter(
            topic: "t", code: "MSG_SIZE_TOO_LARGE", reason: "", eventID: "id", offset: Offset(lane: .spool(spool.id), number: 0),
            record: record)
        // Once the file is gone its room is there.
        disk.fail { call, file in
            if call == .remove, file == path { disk.tell((free: 128 << 10, total: 1 << 40)) }
            return nil
        }
        _ = try await letters.append([letter])
        #expect(!FileManager.default.fileExists(atPath: path))
        #expect(letters.count == 1)
        await letters.close()
        await spool.close()
    }

    @Test("what is set aside counts once, whatever found no room on the way to it")
    func setAsideCounts() async throws {
        let fixture = SpoolFixture(segmentSize: 64 << 10)
        let disk = FaultDisk()
        let budget = try SpoolBudget(capacity: 64 << 20, directory: NSTemporaryDirectory(), disk: disk)
        let (threads, metrics, folder) = (fixture.threads, SpoolMetrics(fixture.metrics), fixture.directory)
        func log() throws -> SetAsideLog {
            try SetAsideLog(directory: folder) { folder throws(ForebayError) in
                var configuration = SpoolConfiguration(directory: folder, kind: .setAside, segmentSize: 64 << 10) { fatalError("\($0)") }
                configuration.disk = disk
                return try Spool.open(configuration, budget: budget, threads: threads, metrics: metrics)
            }
        }
        func bytesOnDisk() throws -> Int {
            let names = try FileManager.default.subpathsOfDirectory(atPath: folder)
            return try names.filter { $0 == "units" || $0.hasSuffix(".segment") }
                .reduce(0) { try $0 + Data(contentsOf: URL(filePath: "\(folder)/\($1)")).count }
        }
        let noRoom: FaultDisk.Rule = { call, path in call == .write && path.contains("/units") ? ENOSPC : nil }
        let log = try log()
        disk.fail(noRoom)
        await #expect(throws: ForebayError.self) { try await log.append(new: [unit(1)], [aside(1, ["a"])]) }
        disk.fail(nil)
        try await log.append(new: [unit(1), unit(2)], [aside(1, ["a"]), aside(2, ["b"])])
        await log.close()  // An active segment counts with the room it may take.
        #expect(try budget.usedBytes == bytesOnDisk())
    }
}
