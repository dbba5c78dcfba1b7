import ForebayCore
import ForebayNet
import ForebayTelemetry
import Synchronization
import Testing

@testable import ForebayIngest

/// What becomes of requests when the stage goes: ends, is drained, or begins anew.
@Suite("Ingest life", .timeLimit(.minutes(3)))
struct IngestLifeTests {
    @Test("the node ends while the disk does not answer: outcome_unknown, and the drain is over") func hangsAtTheEnd() async throws {
        let harness = try IngestHarness()
        let buffer = FakeBuffer(harness.port), stage = try harness.stage()
        let run = Task { try await stage.run() }
        await harness.server.untilHandled(1)
        let ids = await harness.send(IngestFlowTests.post, IngestFlowTests.post)
        let late = buffer.take()
        let drain = Task { await stage.drain() }
        while await !harness.isDraining(stage) { await harness.turn() }
        #expect(harness.server.answerCount == 0)
        run.cancel()
        _ = await run.result
        await drain.value
        for id in ids {
            let answer = await harness.server.untilAnswered(id)
            #expect(answer.status == 503 && answer.member("code") == "outcome_unknown")
        }
        for submission in late { buffer.settle(submission, buffer.number(submission)) }
        await harness.turn()
        #expect(harness.server.answerCount == ids.count)
        await harness.loop.stop()
    }

    @Test("a restart leaves nobody hanging: what was handed over gets its answer, what was not gets 503") func restart() async throws {
        let harness = try IngestHarness()
        let buffer = FakeBuffer(harness.port)
        let first = try harness.stage()
        let run = Task { try await first.run() }
        await harness.server.untilHandled(1)
        let submitted = await harness.send(IngestFlowTests.post)[0]
        let lost = await harness.send(FakeRequest("/v1/topics/clicks", "x"))[0]
        let submissions = buffer.take()
        buffer.disconnect()
        let held = await harness.send(IngestFlowTests.post)[0]
        let gathered = await harness.send(IngestFlowTests.post)[0]
        run.cancel()
        await #expect(throws: CancellationError.self) { try await run.value }
        for id in [held, gathered] { #expect(await harness.server.untilAnswered(id).member("code") == "unavailable") }
        // Between the stages.
        #expect(await harness.answer(to: IngestFlowTests.post).member("code") == "unavailable")
        let second = try harness.stage()
        let run2 = Task { try await second.run() }
        await harness.server.untilHandled(2)
        // The answers to what the first stage handed over still come: a real one, and one for a token that was lost.
        buffer.connect()
        buffer.settle(submissions[0], buffer.number(submissions[0]))
        #expect(
            await harness.server.untilAnswered(submitted)
                == IngestRequestTests.accepted(1, IngestRequestTests.id(1), IngestRequestTests.id(1)))
        #expect(submissions.count == 2)
        withExtendedLifetime(submissions) {}
        let third = await harness.send(IngestFlowTests.post)[0]
        #expect(buffer.storeAll() == 1)
        #expect(await harness.server.untilAnswered(third).status == 202)
        submissions[1].ack.resolve(.refused(ForebayError(.spoolFull, recovery: .retry, "")))
        #expect(await harness.server.untilAnswered(lost).member("code") == "spool_full")
        run2.cancel()
        _ = await run2.result
        await harness.loop.stop()
    }

    @Test("restarts at random leave every request with one answer, and every 202 stored", arguments: 1...8 as ClosedRange<UInt64>)
    func restarts(_ seed: UInt64) async throws {
        var random = SeededGenerator(seed: seed)
        let harness = try IngestHarness(bound: 200) { $0.refusalPause = 0 }
        let buffer = FakeBuffer(harness.port)
        var ids: [RequestIDs.Element] = []
        var waiting: [Submission] = []
        for round in 1...25 {
            let stage = try harness.stage()
            let run = Task { try await stage.run() }
            await harness.server.untilHandled(round)
            for _ in 0..<Int.random(in: 0...6, using: &random) {
                ids += await harness.send(
                    FakeRequest("/v1/topics/orders", "\(ids.count)"), FakeRequest("/v1/topics/clicks", "\(ids.count + 1)"))
                waiting += Bool.random(using: &random) ? buffer.take() : []
                if let one = waiting.indices.randomElement(using: &random) {
                    let submission = waiting.remove(at: one)
                    switch Int.random(in: 0..<4, using: &random) {
                    case 0: submission.ack.resolve(.refused(ForebayError(.spoolFull, recovery: .retry, "")))
                    case 1: break  // Dropped: its outcome is unknown.
                    default: buffer.settle(submission, buffer.number(submission))
                    }
                }
                if Int.random(in: 0..<8, using: &random) == 0 {
                    buffer.disconnect()
                    buffer.connect()
                }
            }
            run.cancel()
            _ = await run.result
        }
        waiting += buffer.take()
        for submission in waiting { buffer.settle(submission, buffer.number(submission)) }
        waiting = []
        buffer.disconnect()
        await harness.turn()
        await harness.turn()
        let stored = Set(buffer.stored.map { String(decoding: $0.event.value!, as: UTF8.self) })
        var durable = 0
        for (index, id) in ids.enumerated() {
            let answer = harness.server.answer(to: id)
            #expect(answer != nil, "request \(index) hangs")
            if answer?.status == 202 {
                durable += 1
                #expect(stored.contains("\(index)"))
            } else if answer?.member("code") != "outcome_unknown" {
                #expect(!stored.contains("\(index)"), "\(String(describing: answer))")
            }
        }
        #expect(durable > 0)
        await harness.loop.stop()
    }

    @Test("draining: new requests are refused, those that wait are answered, then it returns") func drain() async throws {
        let harness = try IngestHarness()
        let buffer = FakeBuffer(harness.port)
        let stage = try harness.stage()
        let run = Task { try await stage.run() }
        await harness.server.untilHandled(1)
        let id = await harness.send(IngestFlowTests.post)[0]
        let kafka = await harness.send(FakeRequest("/v1/topics/orders?ack=kafka"))[0]
        let isDrained = Mutex(false)
        let drain = Task {
            await stage.drain()
            isDrained.withLock { $0 = true }
        }
        // Until the drain has begun, requests are still taken.
        while true {
            let id = await harness.send(IngestFlowTests.post)[0]
            if let answer = harness.server.answer(to: id) {
                #expect(answer.member("code") == "draining")
                break
            }
        }
        #expect(!isDrained.withLock { $0 })
        buffer.storeAll()
        await drain.value
        #expect(harness.server.answer(to: id)?.status == 202)
        #expect(harness.server.answer(to: kafka)?.status == 202)
        run.cancel()
        _ = await run.result
        await harness.loop.stop()
    }
}
