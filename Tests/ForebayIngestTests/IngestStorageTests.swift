import ForebayCore
import ForebayNet
import ForebayTelemetry
import Synchronization
import Testing

@testable import ForebayIngest

/// What happens when the buffer refuses, and when the storage behind it is full or lost.
@Suite("Ingest and its storage", .timeLimit(.minutes(3)))
struct IngestStorageTests {
    @Test("a full spool: 503 with Retry-After, then told at once for a while, then tried again") func spoolFull() async throws {
        let isFull = Mutex(false)
        let harness = try IngestHarness(storage: IngestStorage(isFull: { isFull.withLock { $0 } })) { $0.refusalPause = 60_000 }
        try await IngestHarness.with(harness) { harness, buffer in
            let ids = await harness.send(IngestFlowTests.post, IngestFlowTests.post)
            isFull.withLock { $0 = true }
            for submission in buffer.take() {
                submission.ack.resolve(.refused(ForebayError(.spoolFull, recovery: .retry, "/secret/path: no room")))
            }
            for id in ids {
                let answer = await harness.server.untilAnswered(id)
                #expect(answer.status == 503)
                #expect(answer.member("code") == "spool_full")
                #expect(answer.member("retryable") == "true")
                #expect(answer.fields.contains(#/Retry-After: ([5-9]|10)\r\n/#))
                #expect(!answer.body.contains("secret"))
            }
            isFull.withLock { $0 = false }
            let early = await harness.answer(to: IngestFlowTests.post)
            #expect(early.member("code") == "spool_full")
            #expect(buffer.take().isEmpty)
        }
    }

    @Test("one that is too large for what is left is handed over and refused alone: others are taken, and the node stays ready")
    func tooLargeForTheRest() async throws {
        let heard = Mutex(0)
        let harness = try IngestHarness(storage: IngestStorage(refused: { _ in heard.withLock { $0 += 1 } })) {
            $0.refusalPause = 60_000
            $0.batch = 1000
        }
        try await IngestHarness.with(harness) { harness, buffer in
            let large = FakeRequest("/v1/topics/orders", String(repeating: "x", count: 1000))
            let ids = await harness.send(IngestFlowTests.post, large, IngestFlowTests.post)
            let submissions = buffer.take()
            #expect(submissions.count == 3)
            submissions[1].ack.resolve(.refused(ForebayError(.spoolFull, recovery: .retry, "no room")))
            for place in [0, 2] { buffer.settle(submissions[place], buffer.number(submissions[place])) }
            var answers: [Int] = []
            for id in ids { answers.append(await harness.server.untilAnswered(id).status) }
            #expect(answers == [202, 503, 202])
            let next = await harness.send(IngestFlowTests.post)[0]
            #expect(buffer.storeAll() == 1)
            #expect(await harness.server.untilAnswered(next).status == 202)
            #expect(heard.withLock { $0 } == 0)
        }
    }

    @Test("after a refusal the next one may try, and is stored") func triesAgain() async throws {
        let harness = try IngestHarness { $0.refusalPause = 0 }
        try await IngestHarness.with(harness) { harness, buffer in
            _ = await harness.send(IngestFlowTests.post)
            for submission in buffer.take() { submission.ack.resolve(.refused(ForebayError("disk_slow", recovery: .retry, ""))) }
            await harness.turn()
            let id = await harness.send(IngestFlowTests.post)[0]
            buffer.storeAll()
            #expect(await harness.server.untilAnswered(id).status == 202)
        }
    }

    @Test("a spool known to be full refuses heads") func knownFull() async throws {
        try await IngestHarness.with(IngestHarness(storage: IngestStorage(isFull: { true }))) { harness, _ in
            #expect(await harness.answer(to: IngestFlowTests.post).member("code") == "spool_full")
        }
    }

    @Test("a storage that lost what it stores in refuses heads, says why, and takes events when it is back") func storageFault()
        async throws
    {
        let fault = Mutex<String?>("/data is gone")
        let storage = IngestStorage(fault: { fault.withLock { $0 } })
        try await IngestHarness.with(IngestHarness(storage: storage)) { harness, buffer in
            let answer = await harness.answer(to: IngestFlowTests.post)
            #expect(answer.status == 503 && answer.member("code") == "unavailable")
            #expect(answer.member("detail") == "/data is gone; nothing was stored")
            #expect(buffer.take().isEmpty)
            fault.withLock { $0 = nil }
            while await harness.server.answer(to: harness.send(IngestFlowTests.post)[0]) != nil {}  // Asked again within 50 ms.
            #expect(buffer.storeAll() > 0)
        }
    }

    @Test("the storage hears of a refusal, and once that it stores again") func storageHears() async throws {
        let heard = Mutex<[String]>([])
        let storage = IngestStorage(
            refused: { reason in heard.withLock { $0.append(reason) } }, stored: { heard.withLock { $0.append("stored") } })
        let harness = try IngestHarness(storage: storage) { $0.refusalPause = 0 }
        try await IngestHarness.with(harness) { harness, buffer in
            _ = await harness.send(IngestFlowTests.post)
            for submission in buffer.take() { submission.ack.resolve(.refused(ForebayError("disk_slow", recovery: .retry, "no room"))) }
            await harness.turn()
            for _ in 0..<3 {
                let id = await harness.send(IngestFlowTests.post)[0]
                buffer.storeAll()
                #expect(await harness.server.untilAnswered(id).status == 202)
            }
            let told = heard.withLock { $0 }
            #expect(told.count == 2 && told[0].contains("no room") && told[1] == "stored")
        }
    }

    @Test("a token that nobody resolved: outcome_unknown") func unknown() async throws {
        try await IngestHarness.with(IngestHarness()) { harness, buffer in
            let id = await harness.send(IngestFlowTests.post)[0]
            _ = buffer.take()
            let answer = await harness.server.untilAnswered(id)
            #expect(answer.status == 503)
            #expect(answer.member("code") == "outcome_unknown")
        }
    }
}
