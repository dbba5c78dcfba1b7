@testable import ForebayHTTP

/// What a reader made of some bytes.
enum Seen: Equatable, CustomStringConvertible {
    case request(method: String, path: String, body: [UInt8])
    /// By the HTTP layer.
    case refused(Int, code: String)
    /// By the handler.
    case answered(Int)
    case invited

    var description: String {
        switch self {
        case .request(let method, let path, let body):
            body.count > 40
                ? "\(method) \(path) (\(body.count) bytes)" : "\(method) \(path) \(String(decoding: body, as: UTF8.self).debugDescription)"
        case .refused(let status, let code): "refused \(status) \(code)"
        case .answered(let status): "answered \(status)"
        case .invited: "100"
        }
    }
}

/// Stands where a connection would, without a socket, and notes what the reader tells it.
final class RecordingSink: RequestSink {
    var seen: [Seen] = []
    var refusal: HTTPRefusal?
    var mayBegin = true
    var verdict: (borrowing HTTPRequestHead) -> HTTPVerdict = { _ in .accept(bodyLimit: 1 << 20) }
    private var sequence: UInt32 = 0

    func open(_ head: FramedHead?) -> RequestID {
        self.sequence += 1
        return RequestID(slot: 0, generation: 0, sequence: self.sequence, traits: [])
    }

    func judge(_ head: borrowing HTTPRequestHead) -> HTTPVerdict { self.verdict(head) }

    func deliver(_ id: RequestID, _ head: borrowing HTTPRequestHead, _ body: UnsafeRawBufferPointer) {
        self.seen.append(.request(method: head.method.name, path: head.pathText, body: Array(body)))
    }

    func refuse(_ id: RequestID, _ refusal: HTTPRefusal) {
        self.seen.append(.refused(refusal.status, code: refusal.code))
        self.refusal = refusal
    }
    func answer(_ id: RequestID, _ response: HTTPResponse) { self.seen.append(.answered(response.status)) }
    func inviteBody() { self.seen.append(.invited) }
}

enum Reading {
    /// Sizes of pieces in which every input is fed; 0 is whole.
    static let pieceSizes = [0, 1, 2, 3, 5, 7]

    /// Feeds `bytes` in pieces to a fresh reader. Each piece lies in memory of exactly its size, so that a sanitizer sees a step beyond it.
    static func read(_ bytes: [UInt8], pieces size: Int, limits: HTTPLimits = HTTPLimits(), sink: RecordingSink = RecordingSink()) -> (
        seen: [Seen], stage: RequestReader.Stage
    ) {
        let reader = RequestReader(scratch: HeadScratch(limits: limits))
        var offset = 0
        while offset < bytes.count {
            let count = size == 0 ? bytes.count : min(size, bytes.count - offset)
            let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 1)
            defer { piece.deallocate() }
            bytes.withUnsafeBytes { piece.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[offset..<offset + count])) }
            reader.receive(UnsafeRawBufferPointer(piece), sink)
            offset += count
        }
        return (sink.seen, reader.stage)
    }
}
