import ForebayCore
import Testing

@testable import ForebayIngest

@Suite("Gathering")
struct GatheringTests {
    static let topic = Array("t".utf8)

    static func append(_ value: String, _ gathering: Gathering, route: Int) -> Gathering.Position {
        Self.topic.withUnsafeBytes { topic in
            Array(value.utf8).withUnsafeBytes { gathering.append(EventFields(topic: topic, value: $0, timestamp: 0), route: route) }
        }
    }

    static func events(_ batch: Batch) -> [String] {
        var events: [String] = []
        batch.forEachEvent { event, _ in events.append(String(decoding: event.value!, as: UTF8.self)) }
        return events
    }

    /// Random requests, some of them forgotten, against plain arrays.
    @Test("keeps whole requests in order and forgets the others without a trace", arguments: 1...20 as ClosedRange<UInt64>)
    func model(_ seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let routes = (0..<3).map { RouteID(name: "\($0)") }
        let gathering = Gathering(routes: routes, batch: 400)
        for _ in 0..<5 {
            var model = [[String]](repeating: [], count: routes.count)
            var places: [(String, Gathering.Position)] = []
            for request in 0..<Int.random(in: 0...30, using: &random) {
                var own: [(route: Int, value: String, position: Gathering.Position)] = []
                let count = Int.random(in: 0...12, using: &random)
                let padding = String(repeating: "x", count: [0, 5, 100, 900].randomElement(using: &random)!)
                gathering.begin(bodyCount: Int.random(in: 0...count * (padding.count + 10), using: &random))
                for index in 0..<count {
                    let route = Int.random(in: 0..<routes.count, using: &random)
                    let value = "\(request)-\(index)\(padding)"
                    own.append((route, value, Self.append(value, gathering, route: route)))
                }
                if Int.random(in: 0..<3, using: &random) == 0 {
                    gathering.rollback()
                } else {
                    gathering.commit()
                    for event in own { model[event.route].append(event.value) }
                    places += own.map { ($0.value, $0.position) }
                }
            }
            let (batches, bases) = gathering.finish(acceptedAt: 7)
            #expect(batches.allSatisfy { $0.isWellFormed && $0.count > 0 })
            for (route, id) in routes.enumerated() {
                #expect(batches.filter { $0.route == id }.flatMap(Self.events) == model[route])
            }
            for (value, position) in places {
                #expect(Self.events(batches[bases[Int(position.route)] + Int(position.batch)])[Int(position.index)] == value)
            }
            // About the size that was asked for; only a single event, or a request that began in a batch with others, may pass it.
            #expect(batches.allSatisfy { $0.byteCount <= 400 + 12 * 930 })
        }
    }

    @Test("a batch is closed before a request that would make it too large") func closing() {
        let gathering = Gathering(routes: [RouteID(name: "a")], batch: 200)
        for (index, size) in [20, 20, 180].enumerated() {
            gathering.begin(bodyCount: size)
            _ = Self.append(String(repeating: "\(index)", count: size), gathering, route: 0)
            gathering.commit()
        }
        #expect(gathering.finish(acceptedAt: 0).batches.map(\.count) == [2, 1])
    }
}
