import Testing

@testable import ForebayHTTP

@Suite("Held request")
struct HeldRequestTests {
    private static let id = RequestID(slot: 1, generation: 2, sequence: 3, traits: [])
    private static let limits = HTTPLimits()

    private static func bytes<Result>(_ text: String, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        Array(text.utf8).withUnsafeBytes(body)
    }

    /// Begins a request with the head `head`, feeds the pieces, and tells what was made of each.
    private static func outcomes(
        _ held: inout HeldRequest, _ framing: BodyFraming, limit: UInt64 = 100, pieces: [String]
    ) -> [String] {
        Self.bytes("head") { held.begin(Self.id, head: $0, framing, limit: limit) }
        return pieces.map { piece in
            switch Self.bytes(piece, { held.take($0, Self.limits) }) {
            case .more: "more"
            case .complete(let consumed): "complete \(consumed)"
            case .refused(let refusal): "refused \(refusal.status)"
            }
        }
    }

    private static func text(_ bytes: UnsafeRawBufferPointer) -> String { String(decoding: bytes, as: UTF8.self) }

    @Test("a counted body ends with its last byte, and what comes behind it is another's")
    func counted() {
        var held = HeldRequest()
        let outcomes = Self.outcomes(&held, .length(5), pieces: ["ab", "c", "deXY"])
        let (id, head, body, remaining) = (held.id, Self.text(held.head), Self.text(held.body), held.remaining)
        #expect(outcomes == ["more", "more", "complete 2"])
        #expect(id == Self.id && head == "head" && body == "abcde" && remaining == 0)
    }

    @Test("it tells what a counted body will still take, and of a chunked one that nobody knows")
    func remaining() {
        var counted = HeldRequest()
        var chunked = HeldRequest()
        _ = Self.outcomes(&counted, .length(5), pieces: ["ab"])
        _ = Self.outcomes(&chunked, .chunked, pieces: ["3\r\na"])
        let (known, unknown) = (counted.remaining, chunked.remaining)
        #expect(known == 3 && unknown == nil)
    }

    @Test("of a chunked body it keeps the data alone")
    func chunked() {
        var held = HeldRequest()
        let outcomes = Self.outcomes(&held, .chunked, pieces: ["3\r\nab", "c\r\n2;x=y\r\nde\r\n0", "\r\n\r\nXY"])
        let body = Self.text(held.body)
        #expect(outcomes == ["more", "more", "complete 4"])
        #expect(body == "abcde")
    }

    @Test("a chunk beyond the limit is refused at its size")
    func limit() {
        var held = HeldRequest()
        #expect(Self.outcomes(&held, .chunked, limit: 4, pieces: ["3\r\nabc\r\n", "2\r\n"]) == ["more", "refused 413"])
    }

    @Test("what is withdrawn is nobody's, but its bytes stay until they are cleared; then it holds no memory and may begin again")
    func withdrawn() {
        var held = HeldRequest()
        _ = Self.outcomes(&held, .length(3), pieces: ["abc"])
        held.withdraw()
        let (id, body, capacity) = (held.id, Self.text(held.body), held.capacity)
        #expect(id == nil && body == "abc" && capacity > 0)
        held.clear()
        let cleared = held.capacity
        #expect(cleared == 0)
        #expect(Self.outcomes(&held, .length(1), pieces: ["x"]) == ["complete 1"])
        let again = (Self.text(held.head), Self.text(held.body))
        #expect(again == ("head", "x"))
    }
}
