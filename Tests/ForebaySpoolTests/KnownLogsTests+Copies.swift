import ForebayCore
import Foundation
import Testing

@testable import ForebaySpool

extension KnownLogsTests {
    @Test(
        "the same log twice in one data folder, copied by somebody: a start is refused, and nothing is delivered from both",
        arguments: [
            "setaside", "deadletters",
        ])
    func copies(_ kind: String) async throws {
        let world = DataFolderWorld()
        try world.start(["x", "y"])
        try await world.commit(0..<4)
        try await world.append(0..<2)
        await world.stop()
        let (mine, other) = ("\(world.data)/\(kind)/y", "\(world.data)/\(kind)/x")
        try FileManager.default.copyItem(atPath: mine, toPath: other)
        #expect { try world.start(["x", "y"]) } throws: { "\($0)".contains("\(mine) is a copy of \(other)") }
        await world.spool.close()
        try FileManager.default.removeItem(atPath: other)
        try world.start(["x", "y"])
        #expect(world.spool.alarms.isEmpty)
        await world.stop()
    }

    @Test(
        "a log that is older than the others, put back by somebody: what it lacks is told, and its numbers are not given again",
        arguments: ["spool", "setaside/x", "deadletters/x"], [false, true])
    func older(_ log: String, isKilled: Bool) async throws {
        let world = try await Self.filled()
        let (path, older) = ("\(world.data)/\(log)", "\(world.base)/older")
        try FileManager.default.copyItem(atPath: path, toPath: older)
        try world.start()
        try await world.commit(4..<9)
        try await world.append(2..<5)
        await world.stop()
        // What a start finds is known, also where the process is killed then.
        try world.start()
        if isKilled {
            let copy = "\(world.base)/killed"
            try FileManager.default.copyItem(atPath: world.data, toPath: copy)
            await world.stop()
            try FileManager.default.removeItem(atPath: world.data)
            try FileManager.default.moveItem(atPath: copy, toPath: world.data)
        } else {
            await world.stop()
        }
        try FileManager.default.removeItem(atPath: path)
        try FileManager.default.moveItem(atPath: older, toPath: path)
        let problems = try DataFolderInspection(directory: world.data).verify().problems
        #expect(problems.contains { $0.file.hasPrefix(path) }, "\(problems)")
        for start in 0..<2 {
            try world.start()
            let damage =
                switch log {
                case "spool": world.spool.damage
                case "setaside/x": world.setAside.damage
                default: world.letters.damage
                }
            let lost = damage.missing.reduce(0) { $0 + $1.events }
            #expect(lost == (log == "spool" ? 5 : 3), "start \(start): \(damage)")
            if log == "spool", start == 0 {
                let receipt = try await world.spool.commit([submission([(routeA, ["new"])])])[0]
                #expect(receipt.firstSequences[0] >= 9 && receipt.origin != world.spool.id, "\(receipt)")
            }
            await world.stop()
        }
    }
}
