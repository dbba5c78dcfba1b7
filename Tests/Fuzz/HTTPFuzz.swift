// A libFuzzer target for all that reads bytes from clients: framing, rules, llhttp, chunks, and the reader that joins them.
// Built apart, by dev/fuzz-http, together with the reader's own sources. What it asserts, beside memory safety:
// the pieces in which bytes arrive change nothing, a body is never longer than allowed, and nothing follows a refusal.

private let bodyLimit = 4096

private final class FuzzSink: RequestSink {
    var seen: [String] = []
    var isOver = false
    var mayBegin = true
    private var sequence: UInt32 = 0
    private let mode: UInt8

    init(mode: UInt8) { self.mode = mode }

    func open(_ head: FramedHead?) -> RequestID {
        self.sequence += 1
        return RequestID(slot: 0, generation: 0, sequence: self.sequence, traits: [])
    }

    func judge(_ head: borrowing HTTPRequestHead) -> HTTPVerdict {
        precondition(!self.isOver, "a request behind the end")
        var text = "\(head.method.name) \(head.pathText)?\(String(decoding: head.query, as: UTF8.self)) \(head.body)"
        head.forEachHeader { text += " \(Array($0))=\(Array($1))" }
        text += " \(head.header("content-type").map(Array.init) ?? []) \(head.queryParameter("ack").map(Array.init) ?? [])"
        precondition(!head.path.isEmpty && !head.path.contains(0))
        self.seen.append(text)
        return self.mode & 1 == 0 || head.path.count % 2 == 0 ? .accept(bodyLimit: bodyLimit) : .refuse(HTTPResponse(status: 503))
    }

    func deliver(_ id: RequestID, _ head: borrowing HTTPRequestHead, _ body: UnsafeRawBufferPointer) {
        precondition(!self.isOver && body.count <= bodyLimit)
        self.seen.append("deliver \(head.pathText) \(body.count) \(body.reduce(0 as UInt64) { $0 &* 31 &+ UInt64($1) })")
    }

    func refuse(_ id: RequestID, _ refusal: HTTPRefusal) {
        precondition(!self.isOver && refusal.status >= 400)
        self.isOver = true
        // By which status may depend on who sees the fault first, our framing or llhttp, and so on the pieces.
        self.seen.append("refuse")
    }

    func answer(_ id: RequestID, _ response: HTTPResponse) {
        if response.closes { self.isOver = true }
        self.seen.append("answer")
    }

    // Depends on how much has come when the head is complete, and so on the pieces.
    func inviteBody() {}
}

private func read(_ bytes: UnsafeRawBufferPointer, mode: UInt8, pieces size: Int) -> [String] {
    var limits = HTTPLimits()
    limits.header = 1024
    limits.target = 256
    limits.fields = 10
    limits.chunkOverhead = 256
    let sink = FuzzSink(mode: mode)
    let reader = RequestReader(scratch: HeadScratch(limits: limits))
    var offset = 0
    while offset < bytes.count {
        let count = size == 0 ? bytes.count : min(size, bytes.count - offset)
        // Of exactly its size, so that a step beyond it is seen.
        let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 1)
        piece.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + count]))
        reader.receive(UnsafeRawBufferPointer(piece), sink)
        piece.deallocate()
        offset += count
    }
    return sink.seen
}

/// What libFuzzer calls, with its input.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    guard let start, count > 2 else { return 0 }
    let bytes = UnsafeRawBufferPointer(start: start + 2, count: count - 2)
    let whole = read(bytes, mode: start[0], pieces: 0)
    let parted = read(bytes, mode: start[0], pieces: 1 + Int(start[1] % 64))
    // In pieces the end of a line may not have come yet, or be looked at later: what was found so far must be the same.
    let common = min(whole.count, parted.count)
    precondition(Array(whole[..<common]) == Array(parted[..<common]), "\(whole) in pieces: \(parted)")
    precondition(
        whole.count == parted.count || !whole.dropFirst(common).contains { $0.hasPrefix("deliver") }, "\(whole) in pieces: \(parted)")
    precondition(!parted.dropFirst(common).contains { $0.hasPrefix("deliver") }, "\(whole) in pieces: \(parted)")
    return 0
}
