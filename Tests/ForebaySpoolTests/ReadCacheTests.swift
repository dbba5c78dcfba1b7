import ForebayCore
import ForebayTestKit
import Foundation
import Glibc
import Testing

@testable import ForebaySpool

/// What may be found, and what not.
@Suite("Spool: what readers leave for each other")
struct ReadCacheTests {
    private func part(_ range: Range<Int>, _ byte: UInt8 = 0) -> ReadCache.Part {
        let slab = Slab(capacity: range.count, alignment: 4096)
        memset(slab.base, CInt(byte), range.count)
        return ReadCache.Part(slab: slab, range: range)
    }

    @Test("whole wishes only, of that segment: not of one with the same number, nor of one with the same salt")
    func found() {
        let cache = ReadCache(limit: 1 << 20), segment = ReadCache.Segment(number: 3, salt: 7)
        let first = cache.attend()
        #expect(!cache.put(self.part(8192..<16_384), of: segment) && cache.find(segment, 8192, 1) == nil, "nobody else is there")
        let others = (first, cache.attend())
        defer { withExtendedLifetime(others) {} }
        _ = cache.put(self.part(8192..<16_384), of: segment)
        for (position, count, isThere) in [
            (8192, 8192, true), (8192, 1, true), (16_383, 1, true), (16_384, 0, true), (8191, 2, false), (16_000, 1000, false),
            (16_384, 1, false), (0, 64, false),
        ] {
            #expect((cache.find(segment, position, count) != nil) == isThere, "\(count) at \(position)")
        }
        #expect(cache.find(ReadCache.Segment(number: 3, salt: 8), 8192, 1) == nil)
        #expect(cache.find(ReadCache.Segment(number: 4, salt: 7), 8192, 1) == nil)
        _ = cache.put(self.part(12_288..<20_480), of: segment)
        _ = cache.put(self.part(12_288..<16_384), of: segment)
        #expect(cache.find(segment, 12_288, 64)?.range == 12_288..<20_480, "the one that reaches furthest")
    }

    @Test("the oldest goes first; what somebody has is found as long as he has it; what is larger than all is not held")
    func bound() {
        let cache = ReadCache(limit: 3 * 4096), segment = ReadCache.Segment(number: 1, salt: 1)
        let others = (cache.attend(), cache.attend())
        defer { withExtendedLifetime(others) {} }
        var kept = [self.part(0..<4096)]
        _ = cache.put(kept[0], of: segment)
        for place in 1..<10 {
            _ = cache.put(self.part(place * 4096..<(place + 1) * 4096), of: segment)
            #expect(cache.byteCount == min(place + 1, 3) * 4096)
        }
        #expect((0..<10).filter { cache.find(segment, $0 * 4096, 4096) != nil } == [0, 7, 8, 9])
        kept = []
        #expect(cache.find(segment, 0, 1) == nil)
        _ = cache.put(self.part(0..<5 * 4096), of: segment)
        #expect(cache.byteCount == 0 && cache.find(segment, 0, 1) == nil)
        let none = ReadCache(limit: 0), part = self.part(0..<4096)
        #expect(!none.put(part, of: segment) && none.find(segment, 0, 1) == nil && none.byteCount == 0)
    }

    @Test("memory that nobody has any more is read into again, and not found meanwhile")
    func again() throws {
        let cache = ReadCache(limit: 3 * 4096), segment = ReadCache.Segment(number: 1, salt: 1)
        let others = (cache.attend(), cache.attend())
        defer { withExtendedLifetime(others) {} }
        for place in 0..<3 { _ = cache.put(self.part(place * 4096..<(place + 1) * 4096), of: segment) }
        let kept = try #require(cache.find(segment, 4096, 4096))
        let spare = try #require(cache.makeRoom(for: 4096))
        #expect(cache.find(segment, 0, 1) == nil && cache.byteCount == 2 * 4096)
        #expect(cache.makeRoom(for: 4096) == nil, "there is room")
        _ = cache.put(ReadCache.Part(slab: spare, range: 12_288..<16_384), of: segment)
        #expect(cache.makeRoom(for: 4096) == nil && cache.find(segment, 4096, 1) != nil, "somebody has it")
        #expect(cache.makeRoom(for: 3 * 4096) == nil && cache.byteCount == 0, "it is too small")
        withExtendedLifetime(kept) {}
    }

    @Test("memory that is far larger than what is to be read is not read into again: it would be held, and count, for that")
    func notFarLarger() throws {
        let cache = ReadCache(limit: 16 * 4096), segment = ReadCache.Segment(number: 1, salt: 1)
        let others = (cache.attend(), cache.attend())
        defer { withExtendedLifetime(others) {} }
        for (had, wanted, isTaken) in [(16, 16, true), (16, 9, true), (16, 8, false), (16, 1, false), (16, 17, false)] {
            _ = cache.put(self.part(0..<had * 4096), of: segment)
            let spare = cache.makeRoom(for: wanted * 4096)
            #expect((spare != nil) == isTaken && cache.byteCount == 0, "\(wanted) of \(had) blocks")
        }
        // Glimpses behind one that read a large part take no more than they are.
        _ = cache.put(self.part(0..<16 * 4096), of: segment)
        let file = MemoryFile([UInt8](repeating: 1, count: 256 * 4096))
        var windows = (0..<3).map { _ in
            SegmentWindow(
                file: file, sharing: SegmentWindow.Sharing(cache: cache, segment: segment), isTolerant: true, counter: nil,
                limit: 256 * 4096)
        }
        for place in windows.indices { #expect(try windows[place].bytes(at: (100 + 10 * place) * 4096, count: 64) != nil) }
        #expect(cache.byteCount == 3 * 16_384)
    }

    @Test("what is held is counted right, whoever leaves parts at the same time: also one that is larger than all that may be held")
    func together() {
        let cache = ReadCache(limit: 64 * 4096), segment = ReadCache.Segment(number: 1, salt: 1)
        let others = (cache.attend(), cache.attend())
        defer { withExtendedLifetime(others) {} }
        for _ in 0..<10 {
            DispatchQueue.concurrentPerform(iterations: 4) { thread in
                let part = self.part(thread == 0 ? 0..<65 * 4096 : 0..<4096)
                for _ in 0..<3000 { _ = cache.put(part, of: segment) }
            }
            _ = cache.put(self.part(0..<65 * 4096), of: segment)
            #expect(cache.byteCount == 0, "nothing is held beside such a one")
        }
    }

    @Test("nobody reads into memory in which another may find what stood there")
    func notInto() throws {
        let cache = ReadCache(limit: 4096), segment = ReadCache.Segment(number: 1, salt: 1)
        let others = (cache.attend(), cache.attend())
        defer { withExtendedLifetime(others) {} }
        let file = MemoryFile((0..<64).flatMap { [UInt8](repeating: $0, count: 4096) })
        var window = SegmentWindow(
            file: file, sharing: SegmentWindow.Sharing(cache: cache, segment: segment), isTolerant: true, counter: nil, limit: 64 * 4096)
        #expect(try window.bytes(at: 2 * 4096, count: 64)?.first == 2)
        #expect(cache.find(segment, 2 * 4096, 64) != nil && cache.byteCount == 0, "it is more than all: found, and not held")
        #expect(try window.bytes(at: 40 * 4096, count: 64)?.first == 40)
        let found = cache.find(segment, 2 * 4096, 64)
        #expect(found == nil || found?.slab.base.load(as: UInt8.self) == 2)
    }

    @Test("however many there are, the newest are known, and the count of bytes is right")
    func many() {
        let cache = ReadCache(limit: 2000 * 4096), segment = ReadCache.Segment(number: 1, salt: 1)
        let others = (cache.attend(), cache.attend())
        defer { withExtendedLifetime(others) {} }
        for place in 0..<5000 { _ = cache.put(self.part(place * 4096..<(place + 1) * 4096), of: segment) }
        let known = (0..<5000).filter { cache.find(segment, $0 * 4096, 4096) != nil }
        #expect(known.count >= 256 && known.count <= 512 && known == Array((5000 - known.count)..<5000))
        #expect(cache.byteCount == known.count * 4096)
    }

    @Test("what lies beyond the limit of the one who read it is for nobody: it may be written yet")
    func beyondLimit() throws {
        let cache = ReadCache(limit: 1 << 20)
        let others = (cache.attend(), cache.attend())
        defer { withExtendedLifetime(others) {} }
        let sharing = SegmentWindow.Sharing(cache: cache, segment: ReadCache.Segment(number: 1, salt: 1))
        let file = MemoryFile([UInt8](repeating: 1, count: 32_768))
        var early = SegmentWindow(file: file, sharing: sharing, isTolerant: true, counter: nil, limit: 10_000)
        #expect(try early.bytes(at: 8192, count: 64)?.first == 1)
        #expect(try early.bytes(at: 9990, count: 64) == nil)
        file.bytes = [UInt8](repeating: 2, count: 32_768)
        var late = SegmentWindow(file: file, sharing: sharing, isTolerant: true, counter: nil, limit: 20_480)
        #expect(try late.bytes(at: 10_000, count: 64)?.first == 2)
        // Nor does one whose limit is lower look at what another has read.
        var lower = SegmentWindow(file: file, sharing: sharing, isTolerant: true, counter: nil, limit: 12_288)
        #expect(try lower.bytes(at: 12_280, count: 16) == nil)
        #expect(try lower.bytes(at: 12_200, count: 1, orLess: 4096)?.count == 88)
    }

    @Test("which frames are sound is known by where they begin, also next to each other")
    func sound() {
        let sound = SoundFrames()
        let places = [0, 72, 136, 200, 4096, 4168, (1 << 20) - 64]
        for (index, place) in places.enumerated() {
            for other in places[index...] { #expect(!sound.has(other)) }
            sound.add(place, in: 1 << 20)
            for other in places[...index] { #expect(sound.has(other)) }
        }
        #expect(!sound.has(2 << 20))
        sound.add(2 << 20, in: 1 << 20)
        #expect(!sound.has(2 << 20))
    }
}
