import Testing

@testable import ForebayHTTP

@Suite("The memory of heads")
struct HeadMemoryTests {
    /// Feeds all of `inputs` through one reader; a refusal ends it, and a new one with the same memory goes on.
    private func read(_ inputs: [[UInt8]], scratch: () -> HeadScratch) -> [[Seen]] {
        var reader = RequestReader(scratch: scratch())
        return inputs.map { bytes in
            let sink = RecordingSink()
            bytes.withUnsafeBytes { reader.receive($0, sink) }
            if reader.stage != .idle { reader = RequestReader(scratch: scratch()) }
            return sink.seen
        }
    }

    @Test("a connection that repeats itself is read as one that never came before", arguments: [1, 2, 3, 4] as [UInt64])
    func repeats(seed: UInt64) {
        var random = Seeded(seed)
        var generator = RequestGenerator(seed: seed &+ 100)
        // Few heads, mostly the one before, now and then with one byte changed, often near the end; cut short; or with the next glued on.
        let heads = (0..<20).map { _ in generator.next() }
        var last = heads[0]
        let inputs = (0..<3000).map { _ -> [UInt8] in
            if random.chance(30) { last = random.pick(heads) }
            var bytes = last
            if random.chance(30) { bytes += random.pick(heads) }
            if random.chance(25), let end = bytes.indices.last {
                let place =
                    random.chance(50) ? end - Int(random.next() % UInt64(min(8, bytes.count))) : Int(random.next() % UInt64(bytes.count))
                bytes[place] = random.pick([0x20, 0x0D, 0x0A, 0x31, 0x3A])
            }
            if random.chance(10) { bytes.removeLast(Int(random.next() % UInt64(bytes.count + 1))) }
            return bytes
        }
        let kept = HeadScratch(limits: HTTPLimits())
        let remembering = self.read(inputs, scratch: { kept })
        // Each input with a memory of its own: nothing in it was ever seen before.
        for (input, seen) in zip(inputs, remembering) {
            #expect(
                self.read([input], scratch: { HeadScratch(limits: HTTPLimits()) }) == [seen], "\(String(decoding: input, as: UTF8.self))")
        }
    }

    @Test("the number tells equal heads, also of different connections, and a forgotten head gets a new one")
    func numbers() {
        let scratch = HeadScratch(limits: HTTPLimits())
        func number(_ text: String, _ reader: RequestReader) -> UInt64 {
            var number: UInt64 = 0
            let sink = RecordingSink()
            sink.verdict = { head in
                number = head.number
                return .accept(bodyLimit: 100)
            }
            Array(text.utf8).withUnsafeBytes { reader.receive($0, sink) }
            return number
        }
        let one = RequestReader(scratch: scratch), other = RequestReader(scratch: scratch)
        let first = number("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n1", one)
        #expect(first > 0)
        #expect(number("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n2", one) == first)
        #expect(number("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n3", other) == first)
        #expect(number("POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n4", one) != first)
        #expect(
            number("POST /\(String(repeating: "c", count: 2000)) HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n5", one) == 0, "too large")
        for path in 0..<1000 { _ = number("POST /\(path) HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n6", one) }
        #expect(number("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n7", one) > first)
    }
}
