import ForebayCore
import ForebayNet
import ForebayTelemetry
import Synchronization
import Testing

@testable import ForebayIngest

/// What happens when the buffer is slow, or gone.
@Suite("Ingest flow", .timeLimit(.minutes(3)))
struct IngestFlowTests {
    static let post = FakeRequest("/v1/topics/orders", "0123456789")

    @Test("a disk that does not answer: outcome_unknown after a while, whatever comes later, and nothing is held") func hangs() async throws
    {
        try await IngestHarness.with(IngestHarness { $0.commitPatience = 30 }) { harness, buffer in
            var late: [Submission] = []
            for _ in 0..<3 {
                let ids = await harness.send(Self.post, Self.post) + harness.send(Self.post)
                late += buffer.take()
                for id in ids {
                    let answer = await harness.server.untilAnswered(id)
                    #expect(answer.status == 503 && answer.member("code") == "outcome_unknown")
                }
                await harness.turn()
                #expect(harness.metrics.inFlight.value == 0)
            }
            // It came to an end after all: the requests have their answers, and the next ones theirs.
            for submission in late { buffer.settle(submission, buffer.number(submission)) }
            await harness.turn()
            #expect(harness.server.answerCount == 9)
            let id = await harness.send(Self.post)[0]
            buffer.storeAll()
            #expect(await harness.server.untilAnswered(id).status == 202)
            await harness.turn()
            #expect(harness.metrics.inFlight.value == 0)
        }
    }

    @Test("no buffer: turns gather into one, and all is stored when it is there") func held() async throws {
        try await IngestHarness.with(IngestHarness()) { harness, buffer in
            buffer.disconnect()
            var ids = await harness.send(Self.post)
            ids += await harness.send(Self.post, Self.post)
            ids += await harness.send(Self.post)
            #expect(harness.server.answerCount == 0)
            buffer.connect()
            await harness.turn()
            let submissions = buffer.take()
            // The first was closed when it was offered; the rest waited together.
            #expect(submissions.map { $0.batches[0].count } == [1, 3])
            for submission in submissions { buffer.settle(submission, buffer.number(submission)) }
            await harness.turn()
            #expect(
                ids.enumerated().allSatisfy {
                    harness.server.answer(to: $1)
                        == IngestRequestTests.accepted(1, IngestRequestTests.id(UInt64($0 + 1)), IngestRequestTests.id(UInt64($0 + 1)))
                })
        }
    }

    @Test("a full link: room brings what was held, in order") func fullLink() async throws {
        try await IngestHarness.with(IngestHarness(bound: 100)) { harness, buffer in
            var ids: [RequestIDs] = []
            for _ in 0..<5 { ids.append(await harness.send(Self.post)) }
            var stored = 0
            while stored < 5 {
                let before = buffer.stored.count
                buffer.storeAll()
                stored += buffer.stored.count - before
                await harness.turn()
            }
            #expect(ids.flatMap { $0 }.allSatisfy { harness.server.answer(to: $0)?.status == 202 })
            #expect(buffer.stored.map(\.sequence) == [1, 2, 3, 4, 5])
        }
    }

    @Test("too much in flight: sockets are not read, then new requests get 503, then all is well again") func overload() async throws {
        let harness = try IngestHarness {
            $0.limits.inFlight = 25
            $0.patience = 20
        }
        try await IngestHarness.with(harness) { harness, buffer in
            let ids = await harness.send(Self.post, Self.post, Self.post)
            #expect(harness.server.pauseCount == 1)
            await harness.server.untilPaused(false)
            let refused = await harness.answer(to: Self.post)
            #expect(refused.status == 503)
            #expect(refused.member("code") == "overloaded")
            #expect(refused.fields.contains("Retry-After: "))
            buffer.storeAll()
            for id in ids { #expect(await harness.server.untilAnswered(id).status == 202) }
            let next = await harness.send(Self.post)[0]
            buffer.storeAll()
            #expect(await harness.server.untilAnswered(next).status == 202)
            await harness.server.untilPaused(false)
        }
    }

    @Test("a buffer that stays away: those who wait get 503, and nothing of theirs is stored") func away() async throws {
        let harness = try IngestHarness { $0.heldPatience = 30 }
        try await IngestHarness.with(harness) { harness, buffer in
            buffer.disconnect()
            let first = await harness.send(Self.post)[0]
            let second = await harness.send(Self.post)[0]
            #expect(await harness.server.untilAnswered(first).member("code") == "unavailable")
            #expect(await harness.server.untilAnswered(second).member("code") == "unavailable")
            buffer.connect()
            let third = await harness.send(Self.post)[0]
            #expect(buffer.storeAll() == 1)
            #expect(
                await harness.server.untilAnswered(third)
                    == IngestRequestTests.accepted(1, IngestRequestTests.id(1), IngestRequestTests.id(1)))
        }
    }
}
