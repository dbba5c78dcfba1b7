import ForebayTestKit
import Testing

@testable import ForebayCore

/// An event as a test writes it down.
struct PlainEvent: Equatable {
    var topic: String
    var key: [UInt8]?
    var value: [UInt8]?
    var id: [UInt8] = []
    var timestamp: Int64 = 0
    var partition: Int32?
    var headers: [(name: [UInt8], value: [UInt8]?)] = []

    static func == (left: Self, right: Self) -> Bool {
        left.topic == right.topic && left.key == right.key && left.value == right.value && left.id == right.id
            && left.timestamp == right.timestamp && left.partition == right.partition
            && left.headers.map(\.name) == right.headers.map(\.name) && left.headers.map(\.value) == right.headers.map(\.value)
    }

    /// By the layout's words, not by the builder's code.
    var encodedHeaders: [UInt8] {
        func little(_ number: UInt32, bytes: Int) -> [UInt8] { (0..<bytes).map { UInt8(truncatingIfNeeded: number >> (8 * UInt32($0))) } }
        return self.headers.flatMap { name, value in
            little(UInt32(name.count), bytes: 2) + name + little(value.map { UInt32($0.count) } ?? .max, bytes: 4) + (value ?? [])
        }
    }

    func append(to builder: inout BatchBuilder) {
        let (topic, headers) = (Array(self.topic.utf8), self.encodedHeaders)
        func optional<R>(_ bytes: [UInt8]?, _ body: (UnsafeRawBufferPointer?) -> R) -> R {
            guard let bytes else { return body(nil) }
            return bytes.withUnsafeBytes { body($0) }
        }
        topic.withUnsafeBytes { topic in
            optional(self.value) { value in
                optional(self.key) { key in
                    self.id.withUnsafeBytes { id in
                        headers.withUnsafeBytes { headers in
                            var fields = EventFields(topic: topic, value: value, timestamp: self.timestamp)
                            (fields.key, fields.id, fields.partition, fields.headers) = (key, id, self.partition, headers)
                            builder.append(fields)
                        }
                    }
                }
            }
        }
    }

    init(topic: String, value: [UInt8]?) { (self.topic, self.value) = (topic, value) }

    init(_ event: Event) {
        self.topic = String(decoding: event.topic, as: UTF8.self)
        self.key = event.key.map { Array($0) }
        self.value = event.value.map { Array($0) }
        self.id = Array(event.id)
        self.timestamp = event.timestamp
        self.partition = event.partition
        var headers: [(name: [UInt8], value: [UInt8]?)] = []
        event.forEachHeader { headers.append((Array($0), $1.map { Array($0) })) }
        self.headers = headers
    }

    static func random(using generator: inout SplitMix) -> PlainEvent {
        func bytes(_ limit: Int) -> [UInt8] {
            (0..<Int.random(in: 0...limit, using: &generator)).map { _ in UInt8.random(in: 0...255, using: &generator) }
        }
        let topic = String(repeating: "t", count: Int.random(in: 1...249, using: &generator))
        var event = PlainEvent(topic: topic, value: Bool.random(using: &generator) ? bytes(300) : nil)
        if Bool.random(using: &generator) { event.key = bytes(40) }
        if Bool.random(using: &generator) { event.id = bytes(36) }
        if Bool.random(using: &generator) { event.partition = Int32.random(in: 0...10_000, using: &generator) }
        event.timestamp = Int64.random(in: Int64.min...Int64.max, using: &generator)
        for _ in 0..<Int.random(in: 0...3, using: &generator) {
            event.headers.append((bytes(20), Bool.random(using: &generator) ? bytes(20) : nil))
        }
        return event
    }
}

@Suite("Batch and its layout")
struct BatchTests {
    private func batch(_ events: [PlainEvent], capacity: Int = 64) -> Batch? {
        var builder = BatchBuilder(initialCapacity: capacity)
        for event in events { event.append(to: &builder) }
        return builder.finish(route: RouteID(name: "r"), acceptedAt: 1)
    }

    private func events(_ batch: Batch) -> [PlainEvent] {
        var found: [PlainEvent] = []
        batch.forEachEvent { event, sequence in
            #expect(sequence == batch.first + UInt64(found.count))
            found.append(PlainEvent(event))
        }
        return found
    }

    @Test("the layout, byte by byte")
    func layout() throws {
        var event = PlainEvent(topic: "ab", value: [0x76])
        (event.key, event.partition, event.id, event.timestamp) = ([0x6B, 0x6C], 258, [0x69], 0x0102_0304_0506_0708)
        event.headers = [([0x68], [0x31]), ([], nil)]
        let batch = try #require(self.batch([event]))
        let headers: [UInt8] = [1, 0, 0x68, 1, 0, 0, 0, 0x31, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF]
        let expected: [UInt8] =
            [48, 0, 0, 0, 15, 2, 1, 0, 8, 7, 6, 5, 4, 3, 2, 1] + [2, 0, 0, 0] + [2, 1, 0, 0] + [14, 0, 0, 0] + Array("abikl".utf8) + headers
            + [0x76]
        #expect(batch.withUnsafeBytes { Array($0) } == expected)
        #expect(self.events(batch) == [event])
    }

    @Test("what goes in comes out, whatever it is", arguments: 0..<20)
    func roundTrip(seed: UInt64) throws {
        var generator = SplitMix(seed: seed)
        let events = (0..<Int.random(in: 1...100, using: &generator)).map { _ in PlainEvent.random(using: &generator) }
        let batch = try #require(self.batch(events))
        #expect(batch.count == events.count)
        #expect(batch.isWellFormed)
        #expect(self.events(batch) == events)
    }

    @Test("a tombstone and an empty value are different things, and so are no key and an empty one")
    func nothing() throws {
        var empty = PlainEvent(topic: "t", value: [])
        empty.key = []
        let batch = try #require(self.batch([PlainEvent(topic: "t", value: nil), empty]))
        let found = self.events(batch)
        #expect(found.map { $0.value == nil } == [true, false])
        #expect(found.map { $0.key == nil } == [true, false])
    }

    @Test("a rollback forgets what came after the mark, across growth")
    func rollback() throws {
        var builder = BatchBuilder(initialCapacity: 32)
        let kept = PlainEvent(topic: "kept", value: [1, 2, 3])
        kept.append(to: &builder)
        let mark = builder.mark
        for _ in 0..<100 { PlainEvent(topic: "gone", value: [UInt8](repeating: 9, count: 50)).append(to: &builder) }
        builder.rollback(to: mark)
        kept.append(to: &builder)
        let finished = builder.finish(route: RouteID(name: "r"), acceptedAt: 1)
        #expect(self.events(try #require(finished)) == [kept, kept])
        let again = builder.finish(route: RouteID(name: "r"), acceptedAt: 1)
        #expect(again?.count == nil)
    }

    @Test("a batch takes no more memory along than four times its bytes, and a builder keeps no more than it began with")
    func lean() {
        var builder = BatchBuilder()
        func append(_ bytes: Int, to builder: inout BatchBuilder) {
            [UInt8](repeating: 7, count: bytes).withUnsafeBytes { value in
                Array("t".utf8).withUnsafeBytes { topic in
                    builder.append(EventFields(topic: topic, value: value, timestamp: 5))
                }
            }
        }
        var made: [Batch] = []
        for (bytes, isTakenBack) in [0, 10, 4000, 4096, 16_000, 70_000, 10, 1 << 20, 10].map({ ($0, false) }) + [
            (1 << 20, true), (9, false),
        ] {
            let start = builder.mark
            append(bytes, to: &builder)
            if isTakenBack {
                builder.rollback(to: start)
                append(11, to: &builder)
            }
            guard let batch = builder.finish(route: RouteID(name: "r"), acceptedAt: 1) else { continue }
            #expect(batch.slab.capacity <= 4 * batch.byteCount && batch.isWellFormed, "\(bytes)")
            batch.forEachEvent { event, _ in
                #expect(event.value?.count == (isTakenBack ? 11 : bytes) && event.value?.allSatisfy { $0 == 7 } ?? false)
            }
            made.append(batch)
        }
        #expect(made.count == 11 && Set(made.map { ObjectIdentifier($0.slab) }).count == 11)
    }

    @Test("records copied from one batch to another stay the same")
    func copied() throws {
        var generator = SplitMix(seed: 4)
        let events = (0..<20).map { _ in PlainEvent.random(using: &generator) }
        var builder = BatchBuilder(initialCapacity: 1)
        try #require(self.batch(events)).forEachEvent { event, _ in builder.append(record: event.record) }
        let finished = builder.finish(route: RouteID(name: "r"), acceptedAt: 1)
        #expect(self.events(try #require(finished)) == events)
    }

    @Test("bytes from a broken disk are read without a trap, and not taken for a batch", arguments: 0..<50)
    func broken(seed: UInt64) throws {
        var generator = SplitMix(seed: seed)
        let events = (0..<5).map { _ in PlainEvent.random(using: &generator) }
        let sound = try #require(self.batch(events))
        for _ in 0..<200 {
            var bytes = sound.withUnsafeBytes { Array($0) }
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                bytes[Int.random(in: 0..<bytes.count, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
            }
            bytes.removeLast(Int.random(in: 0...8, using: &generator))
            let slab = Slab(capacity: bytes.count)
            slab.base.copyMemory(from: bytes, byteCount: bytes.count)
            let batch = Batch(
                lane: sound.lane, origin: nil, first: 0, count: 5, route: sound.route, acceptedAt: 0, slab: slab, range: 0..<bytes.count)
            var seen = 0
            batch.forEachEvent { event, _ in
                seen += 1
                _ = PlainEvent(event)
            }
            if batch.isWellFormed { #expect(seen == 5) }
        }
    }
}
