import ForebayCore
import ForebayTestKit
import Glibc
import Testing

@testable import ForebaySpool

/// Walks over segments laid out here, frame by frame, with what a bad disk makes of them.
@Suite("Spool: walking a segment")
struct ScannerTests {
    private static let salt: UInt64 = 0x1234_5678_9ABC_DEF0

    /// A segment's bytes, and where its frames lie.
    private struct Segment {
        var bytes: [UInt8]
        var frames: [(header: FrameHeader, position: Int)] = []
        let base: UInt64

        /// Groups of frames, each of a route and so many events of so many bytes.
        init(_ groups: [[(route: RouteID, count: Int, size: Int)]], base: UInt64 = 0, dataStart: Int = 8192) {
            self.bytes = [UInt8](repeating: 0, count: dataStart)
            self.base = base
            var next = base
            var ordinals: [RouteID: UInt64] = [:]
            for group in groups {
                for (place, part) in group.enumerated() {
                    var builder = BatchBuilder()
                    for _ in 0..<part.count {
                        batch(part.route, [String(repeating: "s", count: part.size)]).withUnsafeBytes { builder.append(record: $0) }
                    }
                    let payload = builder.finish(route: part.route, acceptedAt: 1)!.withUnsafeBytes { Array($0) }
                    var flags: FrameHeader.Flags = place == 0 ? .opensGroup : []
                    if place == group.count - 1 { flags.insert(.closesGroup) }
                    var header = FrameHeader(
                        length: payload.count, count: part.count, flags: flags, base: next, route: part.route,
                        ordinal: ordinals[part.route] ?? 0,
                        durable: base, acceptedAt: 1000)
                    var encoded = [UInt8](repeating: 0, count: 64)
                    encoded.withUnsafeMutableBytes { target in
                        payload.withUnsafeBytes { header.encode(to: target.baseAddress!, payload: $0, salt: ScannerTests.salt) }
                    }
                    self.frames.append((header, self.bytes.count))
                    self.bytes += encoded + payload + [UInt8](repeating: 0, count: header.span - 64 - payload.count)
                    next += UInt64(part.count)
                    ordinals[part.route, default: 0] += UInt64(part.count)
                }
                self.bytes += [UInt8](repeating: 0, count: SpoolFormat.aligned(self.bytes.count) - self.bytes.count)
            }
        }

        mutating func seal() {
            let footer = SegmentFooter(
                end: self.frames.last!.header.end, dataEnd: self.bytes.count, checksum: 5, index: [], ordinals: [routeA: 3])
            self.bytes += footer.encode(salt: ScannerTests.salt)
        }

        var header: SegmentHeader {
            SegmentHeader(log: .none, origin: .none, number: 1, base: self.base, salt: ScannerTests.salt, madeAt: 0)
        }
    }

    /// What the steps of a scanner are, in words.
    private func steps(_ file: MemoryFile, from position: Int = 8192, limit: Int? = nil, verify: Bool = true) throws -> [String] {
        var scanner = SegmentScanner(file: file, salt: Self.salt, position: position, limit: try limit ?? file.size())
        var found: [String] = []
        while true {
            switch try scanner.step() {
            case .frame(let header, let position):
                let payload = verify ? try scanner.payload(of: header, at: position) : nil
                if let payload {
                    #expect(payload.range.count == header.length)
                    let event = Event(
                        at: UnsafeRawBufferPointer(start: payload.slab.base + payload.range.lowerBound, count: payload.range.count))
                    #expect(event?.topic.count == 5)
                }
                found.append("\(header.base) at \(position)\(payload == nil && verify ? " broken" : "")")
            case .gap(let range): found.append("gap \(range.lowerBound)..<\(range.upperBound)")
            case .footer(let footer): return found + ["footer \(footer.end)"]
            case .end(let position): return found + ["end \(position)"]
            }
        }
    }

    private func three() -> Segment { Segment([[(routeA, 1, 10), (routeB, 2, 10)], [(routeA, 1, 5000)], [(routeB, 1, 10)]]) }

    @Test("frame after frame, group after group, to the footer or to the end")
    func sound() throws {
        var segment = self.three()
        #expect(segment.frames.map(\.position) == [8192, 8192 + 64 + 32, 12_288, 20_480])
        let expected = segment.frames.map { "\($0.header.base) at \($0.position)" }
        #expect(try self.steps(MemoryFile(segment.bytes)) == expected + ["end 24576"])
        #expect(try self.steps(MemoryFile(segment.bytes), from: 12_288) == expected.suffix(2) + ["end 24576"])
        segment.bytes += [UInt8](repeating: 0, count: 100_000)
        #expect(try self.steps(MemoryFile(segment.bytes)) == expected + ["end 24576"], "zeros behind it")
        segment = self.three()
        segment.seal()
        #expect(try self.steps(MemoryFile(segment.bytes)) == expected + ["footer 5"])
    }

    @Test("what lies behind the limit is not looked at")
    func limit() throws {
        let segment = self.three()
        let ends = segment.frames.map { $0.position + $0.header.span }
        for (count, end) in ends.enumerated() {
            for (limit, seen) in [(end, count + 1), (end - 1, count)] {
                let found = try self.steps(MemoryFile(segment.bytes), limit: limit)
                #expect(found.filter { $0.contains(" at ") }.count == seen, "\(limit)")
            }
        }
        #expect(try self.steps(MemoryFile(segment.bytes), limit: 8192) == ["end 8192"])
        var scanner = SegmentScanner(file: MemoryFile(segment.bytes), salt: Self.salt, position: 8192, limit: 12_288)
        for _ in 0..<2 { _ = try scanner.step() }
        guard case .end = try scanner.step() else {
            Issue.record("no more below the limit")
            return
        }
        scanner.limit = segment.bytes.count
        guard case .frame(let header, position: 12_288) = try scanner.step() else {
            Issue.record("it goes on where it was when there is more")
            return
        }
        #expect(header == segment.frames[2].header)
    }

    @Test("where a header is broken the next sound one is looked for, however far; a broken payload is only that")
    func broken() throws {
        let segment = self.three()
        let positions = segment.frames.map(\.position), bases = segment.frames.map(\.header.base)
        for place in 0..<4 {
            var bytes = segment.bytes
            bytes[positions[place] + 30] ^= 1
            var expected = zip(bases, positions).map { "\($0) at \($1)" }
            if place < 3 { expected[place] = "gap \(positions[place])..<\(positions[place + 1])" }
            if place == 3 { expected[3] = "end 20480" } else { expected.append("end 24576") }
            #expect(try self.steps(MemoryFile(bytes)) == expected, "header \(place)")
            bytes = segment.bytes
            bytes[positions[place] + 70] ^= 1
            expected = zip(bases, positions).map { "\($0) at \($1)" } + ["end 24576"]
            expected[place] += " broken"
            #expect(try self.steps(MemoryFile(bytes)) == expected, "payload \(place)")
        }
        // Several MiB of nothing between two frames, at every place in a window.
        for shift in [0, 8, 4096 - 64, 4096, (1 << 20) - 8, 1 << 20, 3 << 20] {
            let first = Segment([[(routeA, 1, 10)]]).bytes
            var later = Segment([[(routeA, 1, 10)]], base: 1, dataStart: 0)
            later.frames[0].position += first.count + shift
            let bytes = first + [UInt8](repeating: 0x5A, count: shift) + later.bytes
            let gap = shift == 0 ? [] : ["gap 12288..<\(12_288 + shift)"]
            let found = try self.steps(MemoryFile(bytes))
            #expect(Array(found.dropLast()) == ["0 at 8192"] + gap + ["1 at \(12_288 + shift)"], "\(shift)")
        }
        // Another segment's frames are none of this one's.
        var scanner = SegmentScanner(file: MemoryFile(segment.bytes), salt: Self.salt + 1, position: 8192, limit: segment.bytes.count)
        guard case .end(position: 8192) = try scanner.step() else {
            Issue.record("frames of another salt")
            return
        }
    }

    @Test("a block that can't be read is a gap, and what is behind it is read")
    func badBlocks() throws {
        let segment = self.three()
        let file = MemoryFile(segment.bytes)
        file.fail([2])
        #expect(try self.steps(file) == ["gap 8192..<12288", "3 at 12288", "4 at 20480", "end 24576"])
        file.fail([4])
        #expect(try self.steps(file) == ["0 at 8192", "1 at 8288", "3 at 12288 broken", "4 at 20480", "end 24576"])
        file.fail([3], EMFILE)
        #expect(throws: ForebayError.self) { try self.steps(file) }
    }

    @Test("where it can't read just now it goes on, at the same place, when it can")
    func triedAgain() throws {
        // Each header is read for itself, for what lies between is more than is read at once.
        let segment = Segment([[(routeA, 1, 100_000)], [(routeA, 1, 100_000)], [(routeA, 1, 100_000)]]), file = MemoryFile(segment.bytes)
        var scanner = SegmentScanner(file: file, salt: Self.salt, position: 8192, limit: segment.bytes.count)
        for (place, position) in [8192, 110_592, 212_992].enumerated() {
            file.fail([position / 4096], EMFILE)
            for _ in 0..<2 { #expect(throws: ForebayError.self) { try scanner.step() } }
            #expect(scanner.position == position)
            file.fail([])
            guard case .frame(let header, position) = try scanner.step() else {
                Issue.record("the frame at \(position) is not read")
                return
            }
            #expect(header == segment.frames[place].header)
        }
    }

    @Test("a footer that is not whole is passed over like anything else")
    func brokenFooter() throws {
        var segment = self.three()
        let end = segment.bytes.count
        segment.seal()
        for place in [0, 8, 24, 60] {
            var bytes = segment.bytes
            bytes[end + place] ^= 1
            #expect(try self.steps(MemoryFile(bytes)).last == "end \(end)", "byte \(place)")
        }
        for length in [0, 47, 0xFFFF] {
            var bytes = segment.bytes
            (bytes[end + 8], bytes[end + 9]) = (UInt8(length & 0xFF), UInt8(length >> 8))
            #expect(try self.steps(MemoryFile(bytes)).last == "end \(end)", "length \(length)")
        }
        #expect(try self.steps(MemoryFile(segment.bytes), limit: end + 63).last == "end \(end)")
        #expect(try self.steps(MemoryFile(segment.bytes), limit: end + 64).last == "footer 5")
    }

    @Test("payloads that are passed over are not read; those that follow each other are read at once")
    func reading() throws {
        var file = MemoryFile(Segment((0..<40).map { _ in [(routeA, 1, 200_000)] }).bytes)
        var scanner = SegmentScanner(file: file, salt: Self.salt, position: 8192, limit: try file.size())
        while case .frame = try scanner.step() {}
        #expect(file.reads.reduce(0) { $0 + $1.count } == scanner.bytesRead && scanner.bytesRead < 50 * 20_480, "of 8 MB")
        #expect(file.reads.allSatisfy { $0.lowerBound % 4096 == 0 && $0.count % 4096 == 0 }, "whole blocks")

        file = MemoryFile(Segment((0..<2000).map { _ in [(routeA, 1, 3000)] }).bytes)
        scanner = SegmentScanner(file: file, salt: Self.salt, position: 8192, limit: try file.size())
        while case .frame(let header, let position) = try scanner.step() { #expect(try scanner.payload(of: header, at: position) != nil) }
        let size = try file.size() - 8192
        #expect(scanner.bytesRead >= size && scanner.bytesRead < size + (256 << 10), "each byte about once")
        #expect(file.reads.count < 24 && file.reads.allSatisfy { $0.count <= SegmentWindow.size }, "about a MiB at once")
        #expect(file.reads[0].count == 16 << 10, "at first less: it may be all that is wanted")
    }

    @Test("bytes that end where what was read ends are not read again: a device may fail the second time")
    func readOnce() throws {
        // The first look is at 16 KiB, all of which the frame fills.
        let segments = (16_000..<16_384).lazy.map { Segment([[(routeA, 1, $0)]]) }
        let segment = try #require(segments.first { $0.frames[0].header.length == (16 << 10) - SpoolFormat.frameHeader })
        let file = MemoryFile(segment.bytes + [UInt8](repeating: 0, count: 4096))
        var scanner = SegmentScanner(file: file, salt: Self.salt, position: 8192, limit: try file.size())
        guard case .frame(let header, let position) = try scanner.step() else { throw CancellationError() }
        #expect(file.reads == [8192..<24_576])
        file.fail([2, 3, 4, 5])
        #expect(try scanner.payload(of: header, at: position) != nil && file.reads.count == 1)
    }

    // MARK: What a segment holds

    private func contents(_ segment: Segment, _ bytes: [UInt8]? = nil, end: UInt64? = nil) throws -> SegmentContents {
        let bytes = bytes ?? segment.bytes
        return try SegmentContents(scanning: MemoryFile(bytes), segment.header, size: bytes.count, end: end)
    }

    @Test("what the footer would say is read from the frames, up to where the successor begins")
    func contents() throws {
        let segment = self.three()
        for (end, dataEnd, hasHoles) in [
            (nil, 24_576, false), (5, 24_576, false), (4, 20_480, false), (3, 12_288, false), (6, 24_576, true),
        ]
            as [(UInt64?, Int, Bool)]
        {
            let found = try self.contents(segment, end: end)
            #expect(found.end == min(end ?? 5, 5) && found.dataEnd == dataEnd && found.hasHoles == hasHoles, "to \(end ?? 0)")
        }
        let all = try self.contents(segment)
        #expect(
            all.routes == RouteTable([routeA: 2, routeB: 3]) && all.index.map(\.position) == [8192] && all.index.map(\.sequence) == [0])
        var info = SegmentInfo(header: segment.header, path: "p", end: 0, dataEnd: 0, size: 0)
        all.apply(to: &info)
        #expect(info.end == 5 && info.dataEnd == 24_576 && info.index == all.index && info.routes == all.routes && !info.isDamaged)

        var bytes = segment.bytes
        bytes[segment.frames[1].position + 30] ^= 1
        let holed = try self.contents(segment, bytes)
        #expect(holed.hasHoles && holed.end == 5 && holed.routes == RouteTable([routeA: 2, routeB: 3]))
        holed.apply(to: &info)
        #expect(info.isDamaged)
        bytes = segment.bytes
        bytes[segment.frames[3].position + 30] ^= 1
        #expect(try !self.contents(segment, bytes).hasHoles && self.contents(segment, bytes).end == 4, "the end is not known")
        #expect(try self.contents(segment, bytes, end: 5).hasHoles)
    }

    @Test("a frame below the end is the rest of what was written over, one above it leaves a hole")
    func order() {
        let segment = self.three()
        var contents = SegmentContents(segment.header)
        #expect(contents.end == 0 && contents.dataEnd == 8192 && contents.checksum == 0)
        contents.add(segment.frames[0].header, at: 8192)
        let before = contents
        contents.add(segment.frames[0].header, at: 90_000)
        #expect(
            contents.end == before.end && contents.checksum == before.checksum && contents.dataEnd == before.dataEnd && !contents.hasHoles)
        contents.add(segment.frames[2].header, at: 12_288)
        #expect(contents.hasHoles && contents.end == 4 && contents.dataEnd == 20_480)
    }
}
