import ForebayCore
import Foundation
import Testing

@testable import ForebaySpool

/// Random work on a log, with kills, against a few dictionaries.
@Suite("Set aside: model")
struct SetAsideModelTests {
    private struct Model {
        var values: [UInt64: [String]] = [:]
        var settled: [UInt64: UInt64] = [:]
        var used: Set<UInt64> = []
        /// Ended, not synced: a power cut may bring them back.
        var ended: [UInt64: [String]] = [:]
        /// What a power cut leaves at least.
        var synced: [UInt64: UInt64] = [:]
        var syncedTable: Data?

        mutating func synced(_ fixture: SetAsideFixture) throws {
            self.ended = [:]
            self.synced = self.settled
            self.syncedTable = FileManager.default.contents(atPath: fixture.tablePath)
        }
    }

    @Test("random appends, settles, ends, sweeps and kills do what a simple model does", arguments: 0..<40)
    func random(seed: Int) async throws {
        var generator = SplitMix(seed: UInt64(seed))
        let threads = SpoolThreads()
        var fixture = SetAsideFixture(segmentSize: 32 << 10, threads: threads)
        var log = try fixture.open()
        var model = Model()
        for step in 0..<120 {
            let live = model.values.keys.sorted()
            switch Int.random(in: 0..<12, using: &generator) {
            case 0..<6: try await self.append(log, &model, step, &generator)
            case 6..<8:
                guard let number = live.randomElement(using: &generator) else { continue }
                let place = UInt64.random(in: model.settled[number]!...UInt64(model.values[number]!.count), using: &generator)
                log.settle(number, through: place, oldestAcceptedAt: nil)
                model.settled[number] = place
            case 8:
                guard live.count > 3, let number = live.randomElement(using: &generator) else { continue }
                log.end(number)
                model.ended[number] = model.values[number]
                model.values[number] = nil
                model.settled[number] = nil
            case 9:
                await log.syncCursors()
                try model.synced(fixture)
            case 10:
                let end = Int.random(in: 0..<3, using: &generator)
                if end == 0 {
                    await log.close()
                    log = try fixture.open()
                } else {
                    let copy = try fixture.crashed()
                    await log.close()
                    if end == 2 { try self.cutPower(model, copy, &generator) }
                    (fixture, log) = (copy, try copy.open())
                    if end == 2 { try self.learn(&model, log, "seed \(seed), step \(step)") }
                }
                try model.synced(fixture)
            default: try self.compare(log, model, fixture, "seed \(seed), step \(step)")
            }
        }
        try self.compare(log, model, fixture, "seed \(seed), at the end")
        for number in model.values.keys { log.end(number) }
        await log.syncCursors()
        #expect(try fixture.segmentFiles().count == 1, "seed \(seed)")
        await log.close()
        threads.end()
    }

    /// Of the table's pages that were written since the last sync, some never reached the disk.
    private func cutPower(_ model: Model, _ fixture: SetAsideFixture, _ generator: inout SplitMix) throws {
        guard let old = model.syncedTable, FileManager.default.fileExists(atPath: fixture.tablePath) else { return }
        try fixture.change(fixture.tablePath) { bytes in
            for place in stride(from: 0, to: old.count, by: 8192) {
                // A pair that another unit got meanwhile was synced then.
                let isSame = old[place + 48..<place + 56] == bytes[place + 48..<place + 56]
                for page in [place, place + 4096] where isSame && Bool.random(using: &generator) {
                    bytes[page..<page + 4096] = old[page..<page + 4096]
                }
            }
        }
    }

    /// Cursors may have gone back to what was synced, no further; and no segment has gone that is needed from there.
    private func learn(_ model: inout Model, _ log: SetAsideLog, _ place: String) throws {
        let units = log.units
        for (number, values) in model.ended where units.contains(where: { $0.number == number }) {
            model.values[number] = values
            model.settled[number] = UInt64(values.count)
        }
        for unit in units {
            let range = (model.synced[unit.number] ?? 0)...(model.settled[unit.number] ?? 0)
            #expect(range.contains(unit.settled), "\(place)")
            model.settled[unit.number] = unit.settled
        }
    }

    private func append(_ log: SetAsideLog, _ model: inout Model, _ step: Int, _ generator: inout SplitMix) async throws {
        var new: [SetAsideLog.Unit] = []
        if model.values.count < 2 || Int.random(in: 0..<4, using: &generator) == 0 {
            let number = log.nextNumber
            #expect(!model.used.contains(number), "a number that was used")
            model.used.insert(number)
            new.append(unit(number, "t\(number)"))
            model.values[number] = []
            model.settled[number] = 0
        }
        var batches: [(unit: UInt64, batch: Batch)] = []
        for _ in 0..<Int.random(in: 1...4, using: &generator) {
            let number = model.values.keys.sorted().randomElement(using: &generator)!
            let values = (0..<Int.random(in: 1...5, using: &generator)).map {
                "\(number)-\(step)-\($0)" + String(repeating: "v", count: Int.random(in: 0...2000, using: &generator))
            }
            batches.append(aside(number, values))
            model.values[number]! += values
        }
        try await log.append(new: new, batches)
    }

    private func compare(_ log: SetAsideLog, _ model: Model, _ fixture: SetAsideFixture, _ place: String) throws {
        let units = log.units
        #expect(units.map(\.number) == model.values.keys.sorted(), "\(place)")
        #expect(try SetAsideLog.list(directory: fixture.directory) == units, "\(place)")
        for unit in units {
            #expect(unit.settled == model.settled[unit.number] && unit.end == UInt64(model.values[unit.number]!.count), "\(place)")
        }
        let found = try log.scan(model.settled).all(upTo: 10_000)
        for (number, values) in model.values {
            let expected = values.enumerated().dropFirst(Int(model.settled[number]!))
            let read = found[number] ?? []
            #expect(read.map(\.0) == expected.map { UInt64($0.offset) } && read.map(\.1) == expected.map(\.element), "\(place)")
        }
        #expect(log.missing.isEmpty, "\(place)")
        guard !model.used.isEmpty else { return }
        #expect(try SpoolInspection(directory: fixture.directory).verify().problems.isEmpty, "\(place)")
    }
}
