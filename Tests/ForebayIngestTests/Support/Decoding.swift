import ForebayCore
import Testing

@testable import ForebayIngest

/// An event with its own memory, for comparing.
struct SeenEvent: Equatable, CustomStringConvertible {
    struct Header: Equatable {
        var name: String
        var value: [UInt8]?
    }

    var topic = "t"
    var key: [UInt8]?
    var value: [UInt8]?
    var id: [UInt8] = []
    var timestamp: Int64 = Decoding.now
    var partition: Int32?
    var headers: [Header] = []

    init(value: String?, key: String? = nil) {
        self.value = value.map { Array($0.utf8) }
        self.key = key.map { Array($0.utf8) }
    }

    init(_ event: Event) {
        self.topic = String(decoding: event.topic, as: UTF8.self)
        self.key = event.key.map { Array($0) }
        self.value = event.value.map { Array($0) }
        self.id = Array(event.id)
        self.timestamp = event.timestamp
        self.partition = event.partition
        var headers: [Header] = []
        event.forEachHeader { name, value in
            headers.append(Header(name: String(decoding: name, as: UTF8.self), value: value.map { Array($0) }))
        }
        self.headers = headers
    }

    func with(_ change: (inout Self) -> Void) -> Self {
        var event = self
        change(&event)
        return event
    }

    var description: String {
        func text(_ bytes: [UInt8]?) -> String { bytes.map { String(decoding: $0, as: UTF8.self) } ?? "nil" }
        return "\(self.topic) key=\(text(self.key)) value=\(text(self.value)) id=\(text(self.id)) at=\(self.timestamp)"
            + " partition=\(self.partition.map(String.init) ?? "nil") headers=\(self.headers.map { "\($0.name)=\(text($0.value))" })"
    }
}

/// What became of one body.
enum Decoded: Equatable {
    case events([SeenEvent])
    case refused(ProblemCode, index: Int?, pointer: String?)

    static func refused(_ code: ProblemCode) -> Decoded { .refused(code, index: nil, pointer: nil) }
    static func refused(_ code: ProblemCode, _ index: Int) -> Decoded { .refused(code, index: index, pointer: nil) }
    static func refused(_ code: ProblemCode, _ index: Int, _ pointer: String) -> Decoded { .refused(code, index: index, pointer: pointer) }
}

/// Decodes bodies without a server around.
final class Decoding {
    static let now: Int64 = 1_700_000_000_000
    static let envelope = "application/vnd.forebay.v1+json"
    static let envelopeLines = "application/vnd.forebay.v1+x-ndjson"

    var configuration = IngestConfiguration(routes: [.init(name: "all", topics: ["*"])])
    private(set) var lastDetail = ""
    private var decoder: BodyDecoder
    private var fields: RequestFields
    private var routes: IngestRoutes
    private let gathering: Gathering
    private var sink: EventSink

    init(_ change: (inout IngestConfiguration) -> Void = { _ in }) {
        self.configuration.limits.timestamp = .any
        change(&self.configuration)
        self.decoder = BodyDecoder(self.configuration.limits)
        self.fields = RequestFields(headerLimit: self.configuration.limits.headersPerEvent)
        self.routes = try! IngestRoutes(self.configuration)
        self.gathering = Gathering(routes: self.routes.ids, batch: self.configuration.batch)
        self.sink = EventSink(
            gathering: self.gathering, topics: UnsettledTopics(self.configuration.routes),
            limit: self.configuration.limits.eventsPerRequest,
            byteLimit: self.configuration.limits.records)
    }

    /// - Parameter topic: none for `/v1/events`.
    func decode(_ body: [UInt8], topic: String? = "t", headers: [(String, String)] = []) -> Decoded {
        do {
            self.fields.reset()
            for (name, value) in headers {
                try Array(name.utf8).withUnsafeBytes { name in
                    // The header's bytes outlive the call: they are kept until the body is decoded.
                    try self.fields.take(name, self.keep(value))
                }
            }
            let target = try topic.map { name in try Array(name.utf8).withUnsafeBytes { try self.routes.target(for: $0) } }
            self.sink.begin(bodyCount: body.count, keepsPositions: true)
            do {
                try body.withUnsafeBytes { bytes in
                    try self.decoder.decode(
                        bytes, self.fields, .init(target: target, now: Self.now), routes: &self.routes, into: &self.sink)
                }
            } catch {
                self.sink.rollback()
                #expect(self.gathering.finish(acceptedAt: 0).batches.isEmpty)
                throw error
            }
            self.sink.commit()
            self.sink.topics.commit()
        } catch let refusal as Refusal {
            self.kept.removeAll()
            self.lastDetail = refusal.detail
            return .refused(refusal.code, index: refusal.place?.index, pointer: refusal.place?.pointer)
        } catch {
            fatalError("\(error)")
        }
        self.kept.removeAll()
        let count = self.sink.count
        let (batches, bases) = self.gathering.finish(acceptedAt: Self.now)
        for batch in batches { #expect(batch.isWellFormed) }
        let inBatches = batches.map { batch in
            var events: [SeenEvent] = []
            batch.forEachEvent { event, _ in events.append(SeenEvent(event)) }
            return events
        }
        #expect(self.sink.positions.count == count)
        return .events(self.sink.positions.map { inBatches[bases[Int($0.route)] + Int($0.batch)][Int($0.index)] })
    }

    func decode(_ body: String, topic: String? = "t", type: String? = nil, headers: [(String, String)] = []) -> Decoded {
        self.decode(Array(body.utf8), topic: topic, headers: (type.map { [("Content-Type", $0)] } ?? []) + headers)
    }

    private var kept: [UnsafeMutableRawBufferPointer] = [] {
        didSet { if self.kept.isEmpty { oldValue.forEach { $0.deallocate() } } }
    }

    private func keep(_ text: String) -> UnsafeRawBufferPointer {
        let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: text.utf8.count, alignment: 1)
        bytes.copyBytes(from: text.utf8)
        self.kept.append(bytes)
        return UnsafeRawBufferPointer(bytes)
    }
}
