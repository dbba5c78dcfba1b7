import ForebayTestKit
import Glibc
import Testing

@testable import ForebayCore

/// Records at the edge of what fits: bytes from outside say how long they are, and are believed only as far as there are bytes.
@Suite("Records and batches at their bounds")
struct RecordBoundsTests {
    /// A record by the layout's words: what is there, and how long it says that it is.
    private struct Crafted {
        var flags: RecordLayout.Flags
        var topic = 3, id = 2, key = 2, headers = 6

        /// Without the value.
        var bytes: [UInt8] {
            func little(_ number: Int) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) } }
            var bytes: [UInt8] = little(0) + [self.flags.rawValue, UInt8(self.topic), UInt8(self.id), 0] + [UInt8](repeating: 1, count: 8)
            if self.flags.contains(.key) { bytes += little(self.key) }
            if self.flags.contains(.partition) { bytes += little(7) }
            if self.flags.contains(.headers) { bytes += little(self.headers) }
            bytes += [UInt8](repeating: 0x74, count: self.topic) + [UInt8](repeating: 0x69, count: self.id)
            if self.flags.contains(.key) { bytes += [UInt8](repeating: 0x6B, count: self.key) }
            if self.flags.contains(.headers) { bytes += [UInt8](repeating: 0, count: self.headers) }
            return bytes
        }
    }

    /// Reads a record that says it is `size` long at the start of `bytes`.
    private func read<Result>(_ bytes: [UInt8], size: Int, _ body: (Event?) -> Result) -> Result {
        var bytes = bytes
        for place in 0..<4 { bytes[place] = UInt8(truncatingIfNeeded: size >> (8 * place)) }
        // Before a page that nobody may read: a byte too far ends the process.
        let page = Int(sysconf(Int32(_SC_PAGESIZE)))
        let pages = mmap(nil, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)!
        defer { munmap(pages, 2 * page) }
        mprotect(pages + page, page, PROT_NONE)
        let place = UnsafeMutableRawBufferPointer(start: pages + page - bytes.count, count: bytes.count)
        place.copyBytes(from: bytes)
        return body(Event(at: UnsafeRawBufferPointer(place)))
    }

    @Test("every kind of record that fits exactly is read, and none that is a byte shorter than its parts", arguments: 0..<16)
    func exact(flags: UInt8) throws {
        let crafted = Crafted(flags: RecordLayout.Flags(rawValue: flags))
        let bytes = crafted.bytes
        self.read(bytes, size: bytes.count) { event in
            #expect(event?.record.count == bytes.count)
            #expect(event.map { Array($0.topic) } == [0x74, 0x74, 0x74])
            #expect(event.map { Array($0.id) } == [0x69, 0x69])
            #expect(event?.key.map { Array($0) } == (crafted.flags.contains(.key) ? [0x6B, 0x6B] : nil))
            #expect(event?.partition == (crafted.flags.contains(.partition) ? 7 : nil))
            #expect(event?.headers.count == (crafted.flags.contains(.headers) ? 6 : 0))
            #expect(event?.value.map { $0.count } == (crafted.flags.contains(.value) ? 0 : nil))
        }
        for size in 0..<bytes.count { #expect(self.read(bytes, size: size) { $0 == nil }, "says \(size) of \(bytes.count)") }
        // Where nothing follows its lengths they alone decide.
        let bare = Crafted(flags: crafted.flags, topic: 0, id: 0, key: 0, headers: 0).bytes
        #expect(self.read(bare, size: bare.count) { $0?.record.count == bare.count })
        for size in 0..<bare.count { #expect(self.read(bare, size: size) { $0 == nil }, "says \(size) of \(bare.count)") }
        for size in 4..<bare.count { #expect(self.read(Array(bare[..<size]), size: size) { $0 == nil }, "cut to \(size) of \(bare.count)") }
        #expect(self.read(bytes, size: bytes.count + 1) { $0 == nil }, "more than there is")
        #expect(self.read(bytes + [1, 2], size: bytes.count + 2) { $0?.value.map { Array($0) } } == (flags & 2 != 0 ? [1, 2] : nil))
    }

    @Test("fewer bytes than a record begins with are none")
    func tooFew() {
        for count in 0..<16 { #expect([UInt8](repeating: 0, count: count).withUnsafeBytes { Event(at: $0) == nil }) }
        let least = Crafted(flags: [], topic: 0, id: 0).bytes
        #expect(least.count == 16 && self.read(least, size: 16) { $0?.topic.count == 0 })
    }

    @Test("headers that are cut anywhere: those that are whole come, in order, and no more")
    func headers() {
        // "h": "1" (8 bytes); "": null (6); "ab": "" (8); "c": "xyz" (10).
        let bytes: [UInt8] =
            [1, 0, 0x68, 1, 0, 0, 0, 0x31] + [0, 0, 0xFF, 0xFF, 0xFF, 0xFF] + [2, 0, 0x61, 0x62, 0, 0, 0, 0]
            + [1, 0, 0x63, 3, 0, 0, 0, 0x78, 0x79, 0x7A]
        let expected: [(end: Int, text: String)] = [(8, "h=1"), (14, "=null"), (22, "ab="), (32, "c=xyz")]
        for count in 0...bytes.count {
            var record = Crafted(flags: .headers, topic: 1, id: 0, headers: 0).bytes
            record[16] = UInt8(count)
            record += bytes[..<count]
            let found = self.read(record, size: record.count) { event in
                var found: [String] = []
                event?.forEachHeader { name, value in
                    found.append("\(String(decoding: name, as: UTF8.self))=\(value.map { String(decoding: $0, as: UTF8.self) } ?? "null")")
                }
                return found
            }
            #expect(found == expected.filter { $0.end <= count }.map(\.text), "cut to \(count)")
        }
    }

    // MARK: Batches

    private func bytes(of events: [PlainEvent]) -> [[UInt8]] {
        events.map { event in
            var builder = BatchBuilder(initialCapacity: 1)
            event.append(to: &builder)
            return builder.finish(route: RouteID(name: "r"), acceptedAt: 1)!.withUnsafeBytes { Array($0) }
        }
    }

    private let three = ["a", "bb", "ccc"].map { PlainEvent(topic: $0, value: Array($0.utf8)) }

    /// The three, behind five bytes of something else.
    private func batch(count: Int = 3, first: UInt64 = 100, behind rest: [UInt8] = []) -> Batch {
        let all = [9, 9, 9, 9, 9] + self.bytes(of: self.three).flatMap { $0 } + rest
        let slab = Slab(capacity: all.count)
        slab.base.copyMemory(from: all, byteCount: all.count)
        return Batch(
            lane: .spool(.none), origin: nil, first: first, count: count, route: RouteID(name: "r"), acceptedAt: 77, slab: slab,
            range: 5..<all.count)
    }

    private func topics(_ batch: Batch) -> [String] {
        var found: [String] = []
        batch.forEachEvent { event, sequence in
            #expect(sequence == batch.first + UInt64(found.count))
            found.append(String(decoding: event.topic, as: UTF8.self))
        }
        return found
    }

    @Test("a batch lets go of what is settled, and of no more")
    func dropping() {
        let batch = self.batch()
        let sizes = self.bytes(of: self.three).map(\.count)
        #expect(batch.byteCount == sizes.reduce(0, +) && batch.weight == batch.byteCount + 256 && batch.end == 103)
        for (below, kept) in [(0, 3), (99, 3), (100, 3), (101, 2), (102, 1), (103, 0), (104, 0), (500, 0)] as [(UInt64, Int)] {
            let rest = batch.dropping(below: below)
            #expect(rest.count == kept && rest.first == 103 - UInt64(kept) && rest.end == 103, "below \(below)")
            #expect(self.topics(rest) == self.three.suffix(kept).map(\.topic), "below \(below)")
            #expect(rest.byteCount == sizes.suffix(kept).reduce(0, +) && rest.isWellFormed, "below \(below)")
            #expect(rest.slab === batch.slab && rest.acceptedAt == 77 && rest.route == batch.route && rest.lane == batch.lane)
        }
    }

    @Test("a batch that says more events than it has is dropped from as far as they go")
    func droppingBroken() {
        let rest = self.batch(count: 9).dropping(below: 106)
        #expect(rest.first == 106 && rest.count == 3 && rest.byteCount == 0)
    }

    @Test("a batch is well formed if its bytes are so many records, and nothing else")
    func wellFormed() {
        #expect(self.batch().isWellFormed)
        #expect(!self.batch(count: 2).isWellFormed && !self.batch(count: 4).isWellFormed)
        #expect(!self.batch(behind: [1]).isWellFormed)
        #expect(!self.batch(behind: [UInt8](repeating: 0, count: 40)).isWellFormed)
    }

    @Test("what the builder is told takes as many bytes as it says, whichever parts there are", arguments: 0..<32)
    func recordSize(parts: Int) {
        let bytes = Array("abcdefg".utf8)
        bytes.withUnsafeBytes { text in
            func part(_ number: Int, _ length: Int) -> UnsafeRawBufferPointer? {
                parts & 1 << number == 0 ? nil : UnsafeRawBufferPointer(rebasing: text[..<length])
            }
            var fields = EventFields(topic: UnsafeRawBufferPointer(rebasing: text[..<3]), value: part(0, 4), timestamp: 5)
            fields.key = part(1, 5)
            fields.headers = part(2, 6) ?? fields.headers
            fields.id = part(3, 7) ?? fields.id
            fields.partition = parts & 16 == 0 ? nil : 3
            let expected =
                16 + 3 + (parts & 1 == 0 ? 0 : 4) + (parts & 2 == 0 ? 0 : 4 + 5) + (parts & 4 == 0 ? 0 : 4 + 6) + (parts & 8 == 0 ? 0 : 7)
                + (parts & 16 == 0 ? 0 : 4)
            #expect(fields.recordSize == expected)
            var builder = BatchBuilder(initialCapacity: 1)
            let wasEmpty = builder.isEmpty
            builder.append(fields)
            let (size, count, isEmpty) = (builder.byteCount, builder.count, builder.isEmpty)
            #expect(wasEmpty && size == expected && count == 1 && !isEmpty)
            let batch = builder.finish(route: RouteID(name: "r"), acceptedAt: 9)
            #expect(batch?.isWellFormed == true && batch?.byteCount == expected && batch?.acceptedAt == 9 && batch?.first == 0)
            #expect(batch?.lane == .spool(.none) && SpoolID.none.description == "0000000000000000")
        }
    }

    @Test("a builder's memory grows when it has to, to the double or to what is needed, and begins anew after each batch")
    func growth() {
        let record = self.bytes(of: [PlainEvent(topic: "t", value: [UInt8](repeating: 1, count: 15))])[0]
        #expect(record.count == 32)
        func capacity(_ count: Int, reserving: Int? = nil) -> Int {
            var builder = BatchBuilder(initialCapacity: 64)
            for _ in 0..<count { record.withUnsafeBytes { builder.append(record: $0) } }
            if let reserving { builder.reserve(reserving) }
            let held = (builder.count, builder.byteCount)
            #expect(held == (count, count * 32))
            record.withUnsafeBytes { builder.append(record: $0) }
            let batch = builder.finish(route: RouteID(name: "r"), acceptedAt: 1)!
            #expect(batch.isWellFormed && batch.count == count + 1)
            let left = (builder.isEmpty, builder.byteCount)
            #expect(left == (true, 0))
            record.withUnsafeBytes { builder.append(record: $0) }
            let anew = builder.finish(route: RouteID(name: "r"), acceptedAt: 1)
            #expect(anew?.slab.capacity == 64)
            return batch.slab.capacity
        }
        #expect(capacity(0) == 64 && capacity(1) == 64 && capacity(2) == 128 && capacity(3) == 128 && capacity(4) == 256)
        #expect(capacity(1, reserving: 32) == 64 && capacity(1, reserving: 33) == 128 && capacity(1, reserving: 97) == 129)
        #expect(capacity(0, reserving: 128) == 128 && capacity(0, reserving: 129) == 32, "a few bytes in much memory are copied out of it")
    }

    @Test("a rollback also takes back the count")
    func rollbackCount() {
        var builder = BatchBuilder(initialCapacity: 8)
        self.three[0].append(to: &builder)
        let mark = builder.mark
        self.three[1].append(to: &builder)
        builder.rollback(to: mark)
        let held = (builder.count, builder.byteCount)
        #expect(held == (1, self.bytes(of: self.three)[0].count))
    }
}
