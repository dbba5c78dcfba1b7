import ForebayCore
import ForebayNet
import ForebayTelemetry
import Synchronization
import Testing

@testable import ForebayIngest

/// A node whose own clock can't be right.
@Suite("Ingest and the clock", .timeLimit(.minutes(1)))
struct IngestClockTests {
    @Test("a clock that can't be right: nothing is taken, with a time of its own or without; once it is set, events get that time")
    func clockNotSet() async throws {
        for wrong: Int64 in [0, 12_000, 946_684_800_000, 1_735_689_599_999] {
            let now = Mutex(wrong)
            try await IngestHarness.with(IngestHarness(clock: .init { now.withLock { $0 } })) { harness, buffer in
                let timed = FakeRequest("/v1/topics/orders", "x", headers: [("Forebay-Timestamp", "1790000000000")])
                for request in [IngestFlowTests.post, timed] {
                    let answer = await harness.answer(to: request)
                    #expect(answer.status == 503 && answer.member("code") == "clock_not_set" && answer.member("retryable") == "true")
                    #expect(answer.member("detail")?.contains(Timestamp.rfc3339(wrong)) == true && answer.fields.contains("Retry-After: "))
                }
                #expect(buffer.take().isEmpty)
                now.withLock { $0 = 1_735_689_600_000 }
                while await harness.server.answer(to: harness.send(IngestFlowTests.post)[0]) != nil {}  // Asked again within 50 ms.
                let batches = buffer.take().flatMap(\.batches)
                #expect(batches.count == 1 && batches.first?.acceptedAt == 1_735_689_600_000)
            }
        }
    }

    @Test("a clock that is set back while events are gathered: they are refused, not stamped; what comes when it is right is stored")
    func clockSetBack() async throws {
        let now = Mutex<Int64>(1_790_000_000_000)
        try await IngestHarness.with(IngestHarness(clock: .init { now.withLock { $0 } })) { harness, buffer in
            let ids = try! await harness.loop.perform {
                let ids = [IngestFlowTests.post, FakeRequest("/v1/topics/clicks", "c")].map { harness.server.send($0) }
                now.withLock { $0 = 1000 }
                return ids
            }
            for id in ids { #expect(await harness.server.untilAnswered(id).member("code") == "clock_not_set") }
            #expect(buffer.take().isEmpty)
            now.withLock { $0 = 1_790_000_000_001 }
            while await harness.server.answer(to: harness.send(IngestFlowTests.post)[0]) != nil {}  // Asked again within 50 ms.
            #expect(buffer.take().flatMap(\.batches).map(\.acceptedAt) == [1_790_000_000_001])
        }
    }
}
