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
