import ForebayCore
import Foundation

@testable import ForebaySpool

/// The segments of a log, made by hand. Each is a text: `a2 !b1 c3` has two events of route `a`, one of `b` that can't be read, and three of
/// `c`. What stands in front of it: `-` it is gone, `=` it was cut to its header, `?` it has no footer. Frames behind `/` don't count.
final class SpelledLog {
    static let id = spoolID("0123456789ABCDEF")
    private let folder = NSTemporaryDirectory() + "forebay-spelled-" + UUID().uuidString
    private(set) var segments: [SegmentInfo] = []
    /// The route of each event, whether that can be read or not.
    private(set) var events: [RouteID] = []

    init(_ texts: [String]) throws {
        try FileManager.default.createDirectory(atPath: self.folder, withIntermediateDirectories: true)
        for (place, text) in texts.enumerated() { try self.add(text, UInt64(place) + 1) }
    }

    deinit { try? FileManager.default.removeItem(atPath: self.folder) }  // A temporary folder.

    static func route(_ letter: Character) -> RouteID { RouteID(rawValue: UInt64(letter.asciiValue!) - 96) }

    static func routes(_ letters: some StringProtocol) -> [RouteID] { letters.map(Self.route) }

    var end: UInt64 { UInt64(self.events.count) }

    /// How many of a route's events come before a sequence.
    func count(_ route: RouteID, before sequence: UInt64) -> UInt64 { UInt64(self.events.prefix(Int(sequence)).count { $0 == route }) }

    func count(
        totals: [RouteID: UInt64]? = nil, durableEnd: UInt64? = nil, on disk: any Disk = SystemDisk()
    ) -> LossCount {
        let known = Dictionary(self.segments.flatMap(\.routes.entries).map { ($0.route, $0.ordinal) }, uniquingKeysWith: max)
        return LossCount(segments: self.segments, totals: totals ?? known, durableEnd: durableEnd ?? self.end, disk: disk)
    }

    private func add(_ text: String, _ number: UInt64) throws {
        let mark = text.first.flatMap { "-=?".contains($0) ? $0 : nil }
        var header = SegmentHeader(log: Self.id, origin: Self.id, number: number, base: self.end, salt: number, madeAt: 0)
        (header.previousNumber, header.previousEnd) = (number - 1, self.end)
        var info = SegmentInfo(header: header, path: "\(self.folder)/\(number)", end: 0, dataEnd: header.dataStart, size: 0)
        var data = [UInt8](repeating: 0, count: header.dataStart), isBehind = false
        for word in text.drop(while: { "-=?".contains($0) }).split(separator: " ") {
            if word == "/" {
                isBehind = true
                continue
            }
            let isLost = word.hasPrefix("!"), letters = word.drop { $0 == "!" }
            let route = Self.route(letters.first!), count = Int(letters.dropFirst())!
            var frame = FrameHeader(
                length: 0, count: count, flags: [], base: self.end, route: route, ordinal: self.count(route, before: self.end), durable: 0,
                acceptedAt: 0)
            var bytes = [UInt8](repeating: 0, count: SpoolFormat.frameHeader)
            if !isLost {
                bytes.withUnsafeMutableBytes {
                    frame.encode(to: $0.baseAddress!, payload: UnsafeRawBufferPointer(start: nil, count: 0), salt: number)
                }
            }
            data += bytes
            guard !isBehind else { continue }
            info.isDamaged = info.isDamaged || isLost
            self.events += [RouteID](repeating: route, count: count)
            if mark != "=", !isLost || mark != "?" { info.routes.raise(route, to: frame.ordinal + UInt64(count)) }
        }
        (info.end, info.hasFooter) = (self.end, mark != "?")
        if mark != "=" { info.dataEnd = data.count }
        info.size = data.count
        guard mark != "-" else { return }
        try Data(data).write(to: URL(filePath: info.path))
        self.segments.append(info)
    }
}
