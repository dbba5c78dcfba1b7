import Foundation
import Testing

@testable import ForebaySpool

extension KnownLogsTests {
    @Test(
        "what a start took over, and was killed before it was known by that name, is given up and not missed; a copy under the former name is",
        arguments: [false, true])
    func givenUpOnceTakenOver(isCopied: Bool) async throws {
        let world = try await Self.filled()
        try DataFolderLogs(routes: [.init(name: "y", formerly: ["x"])], directory: world.data).prepare()
        for kind in SideLogFolder.Kind.allCases where isCopied {
            try FileManager.default.copyItem(atPath: "\(world.data)/\(kind.rawValue)/y", toPath: "\(world.data)/\(kind.rawValue)/x")
        }
        let logs = DataFolderLogs(routes: [], directory: world.data, known: try KnownLogs(in: world.data, disk: SystemDisk()))
        for kind in SideLogFolder.Kind.allCases { try logs.folder(kind, "y").giveUp(world.budget) }
        for kind in SideLogFolder.Kind.allCases where isCopied {
            try FileManager.default.removeItem(atPath: "\(world.data)/\(kind.rawValue)/x")
        }
        #expect(try DataFolderInspection(directory: world.data).verify().problems.count == (isCopied ? 2 : 0))
        try world.start(["y"], formerly: ["x"])
        #expect(Self.alarms(world) == (isCopied ? [Self.letters, Self.aside] : []))
        await world.stop()
    }
}
