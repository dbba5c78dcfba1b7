import Testing

@testable import ForebayHTTP

@Suite("Requests that servers could read in two ways")
struct SmugglingTests {
    @Test("is refused, or read, the same in pieces of any size", arguments: SmugglingCase.all)
    func verdict(_ example: SmugglingCase) {
        for size in Reading.pieceSizes {
            let (seen, stage) = Reading.read(example.bytes, pieces: size)
            switch example.outcome {
            case .refused(let status):
                #expect(seen.count == 1 && isRefusal(seen.last, status), "in pieces of \(size): \(seen)")
                #expect(stage == .finished)
            case .refusedAfterOne(let status):
                #expect(seen.count == 2 && isRefusal(seen.last, status), "in pieces of \(size): \(seen)")
            case .delivered(let bodies):
                #expect(seen.compactMap(\.body) == bodies && seen.count == bodies.count, "in pieces of \(size): \(seen)")
                #expect(stage == .idle || stage == .finished)
            case .waits:
                #expect(seen.isEmpty, "in pieces of \(size): \(seen)")
                #expect(stage == .head || stage == .body || stage == .idle)
            }
        }
    }

    private func isRefusal(_ seen: Seen?, _ status: Int) -> Bool {
        if case .refused(status, _) = seen { true } else { false }
    }
}

extension Seen {
    var body: String? {
        if case .request(_, _, let body) = self { String(decoding: body, as: UTF8.self) } else { nil }
    }
}
