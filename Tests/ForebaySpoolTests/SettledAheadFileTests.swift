import ForebayCore
import ForebayTelemetry
import ForebayTestKit
import Foundation
import Testing

@testable import ForebaySpool

/// What is settled beyond a cursor, on disk: passed only where it is sure.
@Suite("Settled ahead, on disk")
struct SettledAheadFileTests {
    private let directory = NSTemporaryDirectory() + "forebay-ahead-" + UUID().uuidString
    private let log: SpoolID
    private let side: SpoolID

    init() throws {
        var generator = SystemRandomNumberGenerator()
        (self.log, self.side) = (SpoolID.random(using: &generator), SpoolID.random(using: &generator))
        try Folder(SystemDisk()).make(SettledAheadFile.folder(in: self.directory))
    }

    private func file(_ name: String = "forward/orders", _ routes: [String] = ["orders"], log: SpoolID? = nil) -> SettledAheadFile {
        SettledAheadFile(
            disk: SystemDisk(), directory: self.directory, log: log ?? self.log, name: name, routes: routes.map { RouteID(name: $0) })
    }

    private var ahead: SpoolCursor.Ahead {
        SpoolCursor.Ahead(
            settled: SettledAhead(
                ranges: [5..<9, 12..<13, 40..<1_000_000], sentBelow: 17, witnesses: [LogWitness(log: self.side, end: 8, losses: 3)]),
            isFinal: true)
    }

    @Test("it is read as it was written, by the same cursor of the same log and routes, and by no other")
    func roundTrip() throws {
        defer { try? FileManager.default.removeItem(atPath: self.directory) }  // A courtesy.
        #expect(try self.file().read(end: 1_000_000) == nil)
        try self.file().remove()
        for routes in [["orders"], ["orders", "old", "older"]] {
            try self.file("forward/orders", routes).write(self.ahead)
            #expect(try self.file("forward/orders", routes).read(end: 1_000_000) == self.ahead)
            #expect(try self.file("forward/orders", routes + ["more"]).read(end: 1_000_000) == nil)
            #expect(try self.file("forward/orders", ["old"]).read(end: 1_000_000) == nil)
        }
        try self.file().write(self.ahead)
        #expect(try self.file().read(end: 999_999) == nil, "the log is shorter: it is another history")
        #expect(try self.file(log: self.side).read(end: 1_000_000) == nil)
        try FileManager.default.copyItem(atPath: self.file().path, toPath: self.file("forward/other").path)
        #expect(try self.file("forward/other").read(end: 1_000_000) == nil, "a file put in the place of another's")
        try self.file().remove()
        #expect(try self.file().read(end: 1_000_000) == nil)
    }

    @Test("damaged anywhere, or cut, it says nothing")
    func damaged() throws {
        defer { try? FileManager.default.removeItem(atPath: self.directory) }  // A courtesy.
        try self.file().write(self.ahead)
        let path = self.file().path
        let whole = try Data(contentsOf: URL(fileURLWithPath: path))
        for place in whole.indices {
            var bytes = whole
            bytes[place] ^= 0x10
            try bytes.write(to: URL(fileURLWithPath: path))
            #expect(try self.file().read(end: 1_000_000) == nil, "byte \(place)")
            try whole.prefix(place).write(to: URL(fileURLWithPath: path))
            #expect(try self.file().read(end: 1_000_000) == nil, "cut at \(place)")
        }
        try (whole + [0]).write(to: URL(fileURLWithPath: path))
        #expect(try self.file().read(end: 1_000_000) == nil)
    }
}
