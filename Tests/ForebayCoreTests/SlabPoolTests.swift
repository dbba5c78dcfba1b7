import Foundation
import Testing

@testable import ForebayCore

@Suite("Slab pool")
struct SlabPoolTests {
    @Test("blocks of its sizes are powers of two, others are as asked for")
    func sizes() {
        for (asked, given) in [
            (1, 1), (65_535, 65_535), (65_536, 65_536), (65_537, 131_072), (1 << 20, 1 << 20), ((1 << 20) + 1, 2 << 20), (4 << 20, 4 << 20),
            ((4 << 20) + 1, (4 << 20) + 1),
        ] {
            #expect(SlabPool.size(for: asked) == given)
            #expect(Slab(capacity: asked).capacity == given)
        }
    }

    @Test("a block that was given back is used again, and no two slabs share one")
    func reuse() {
        let pool = SlabPool()
        let first = pool.take(1 << 20)
        pool.give(first, size: 1 << 20)
        let again = pool.take(1 << 20)
        let other = pool.take(1 << 20)
        #expect(again == first)
        #expect(other != first)
        pool.give(again, size: 1 << 20)
        let smaller = pool.take(1 << 19)
        #expect(smaller != first)
        for (block, size) in [(other, 1 << 20), (smaller, 1 << 19)] { pool.give(block, size: size) }
    }

    @Test("it keeps blocks of its own sizes, up to its bound, and counts what it keeps")
    func bound() {
        for (size, isKept) in [(65_535, false), (65_536, true), (4 << 20, true), ((4 << 20) + 1, false)] {
            let pool = SlabPool()
            pool.give(pool.take(size), size: size)
            #expect(pool.kept == (isKept ? size : 0), "\(size)")
            let again = pool.take(size)
            #expect(pool.kept == 0)
            pool.give(again, size: size)
        }
        let pool = SlabPool()
        let blocks = (0..<3).map { _ in pool.take(4 << 20) } + [pool.take(64 << 10)]
        for block in blocks.prefix(3) { pool.give(block, size: 4 << 20) }
        #expect(pool.kept == 8 << 20, "two of them, to the byte")
        pool.give(blocks[3], size: 64 << 10)
        #expect(pool.kept == 8 << 20)
        #expect(Set([pool.take(4 << 20), pool.take(4 << 20)]) == Set(blocks[..<2]))
        #expect(pool.kept == 0)
    }

    @Test("memory of slabs that are done with is given back, whatever their size and alignment")
    func givenBack() throws {
        /// Addresses that the process has taken, in bytes: nothing has to be written for these to count.
        func taken() throws -> Int {
            let text = try #require(FileManager.default.contents(atPath: "/proc/self/statm")).split(separator: UInt8(ascii: " "))
            return try #require(Int(String(decoding: text[0], as: UTF8.self))) * 4096
        }
        for (capacity, alignment) in [(32 << 10, 16), (64 << 10, 16), (5 << 20, 16), (64 << 10, 4096), (5 << 20, 4096)] {
            let before = try taken()
            for _ in 0..<(2 << 30) / capacity {
                let slab = Slab(capacity: capacity, alignment: alignment)
                #expect(slab.capacity >= capacity && UInt(bitPattern: slab.base) % UInt(alignment) == 0)
            }
            #expect(try taken() < before + (1 << 30), "2 GiB of \(capacity) bytes, at multiples of \(alignment)")
        }
    }

    @Test("many threads take and give without sharing a block")
    func threads() async {
        await withTaskGroup(of: Bool.self) { group in
            for task in 0..<8 {
                group.addTask {
                    var random = SystemRandomNumberGenerator()
                    for round in 0..<300 {
                        let slab = Slab(capacity: 1 << Int.random(in: 14...20, using: &random))
                        let mark = UInt64(task) << 32 | UInt64(round)
                        slab.base.storeBytes(of: mark, as: UInt64.self)
                        slab.base.storeBytes(of: mark, toByteOffset: slab.capacity - 8, as: UInt64.self)
                        await Task.yield()
                        guard slab.base.load(as: UInt64.self) == mark,
                            slab.base.load(fromByteOffset: slab.capacity - 8, as: UInt64.self) == mark
                        else {
                            return false
                        }
                    }
                    return true
                }
            }
            for await isWhole in group { #expect(isWhole) }
        }
    }

    @Test("room made in advance keeps what was appended")
    func reserve() {
        var builder = BatchBuilder(initialCapacity: 64)
        let topic: [UInt8] = [0x74]
        topic.withUnsafeBytes { builder.append(EventFields(topic: $0, value: $0, timestamp: 1)) }
        builder.reserve(100_000)
        topic.withUnsafeBytes { builder.append(EventFields(topic: $0, value: $0, timestamp: 2)) }
        let batch = builder.finish(route: RouteID(name: "r"), acceptedAt: 0)
        #expect(batch?.isWellFormed == true)
        #expect(batch?.count == 2)
    }
}
