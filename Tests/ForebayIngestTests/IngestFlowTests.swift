import ForebayCore
import ForebayNet
import ForebayTelemetry
import Synchronization
import Testing

@testable import ForebayIngest

/// What happens when the buffer is slow, full or gone, and when the stage itself goes.
@Suite("Ingest flow", .timeLimit(.minutes(3)))
struct IngestFlowTests {
    static let post = FakeRequest("/v1/topics/orders", "0123456789")

    @Test("a full spool: 503 with Retry-After, then told at once for a while, then tried again") func spoolFull() async throws {
        let isFull = Mutex(false)
        let harness = try IngestHarness(storage: IngestStorage(isFull: { isFull.withLock { $0 } })) { $0.refusalPause = 60_000 }
        try await IngestHarness.with(harness) { harness, buffer in
            let ids = await harness.send(Self.post, Self.post)
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
            let early = await harness.answer(to: Self.post)
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
            let ids = await harness.send(Self.post, large, Self.post)
            let submissions = buffer.take()
            #expect(submissions.count == 3)
            submissions[1].ack.resolve(.refused(ForebayError(.spoolFull, recovery: .retry, "no room")))
            for place in [0, 2] { buffer.settle(submissions[place], buffer.number(submissions[place])) }
            var answers: [Int] = []
            for id in ids { answers.append(await harness.server.untilAnswered(id).status) }
            #expect(answers == [202, 503, 202])
            let next = await harness.send(Self.post)[0]
            #expect(buffer.storeAll() == 1)
            #expect(await harness.server.untilAnswered(next).status == 202)
            #expect(heard.withLock { $0 } == 0)
        }
    }

    @Test("after a refusal the next one may try, and is stored") func triesAgain() async throws {
        let harness = try IngestHarness { $0.refusalPause = 0 }
        try await IngestHarness.with(harness) { harness, buffer in
            _ = await harness.send(Self.post)
            for submission in buffer.take() { submission.ack.resolve(.refused(ForebayError("disk_slow", recovery: .retry, ""))) }
            await harness.turn()
            let id = await harness.send(Self.post)[0]
            buffer.storeAll()
            #expect(await harness.server.untilAnswered(id).status == 202)
        }
    }

    @Test("a spool known to be full refuses heads") func knownFull() async throws {
        try await IngestHarness.with(IngestHarness(storage: IngestStorage(isFull: { true }))) { harness, _ in
            #expect(await harness.answer(to: Self.post).member("code") == "spool_full")
        }
    }

    @Test("a storage that lost what it stores in refuses heads, says why, and takes events when it is back") func storageFault()
        async throws
    {
        let fault = Mutex<String?>("/data is gone")
        let storage = IngestStorage(fault: { fault.withLock { $0 } })
        try await IngestHarness.with(IngestHarness(storage: storage)) { harness, buffer in
            let answer = await harness.answer(to: Self.post)
            #expect(answer.status == 503 && answer.member("code") == "unavailable")
            #expect(answer.member("detail") == "/data is gone; nothing was stored")
            #expect(buffer.take().isEmpty)
            fault.withLock { $0 = nil }
            while await harness.server.answer(to: harness.send(Self.post)[0]) != nil {}  // Asked again within 50 ms.
            #expect(buffer.storeAll() > 0)
        }
    }

    @Test("the storage hears of a refusal, and once that it stores again") func storageHears() async throws {
        let heard = Mutex<[String]>([])
        let storage = IngestStorage(
            refused: { reason in heard.withLock { $0.append(reason) } }, stored: { heard.withLock { $0.append("stored") } })
        let harness = try IngestHarness(storage: storage) { $0.refusalPause = 0 }
        try await IngestHarness.with(harness) { harness, buffer in
            _ = await harness.send(Self.post)
            for submission in buffer.take() { submission.ack.resolve(.refused(ForebayError("disk_slow", recovery: .retry, "no room"))) }
            await harness.turn()
            for _ in 0..<3 {
                let id = await harness.send(Self.post)[0]
                buffer.storeAll()
                #expect(await harness.server.untilAnswered(id).status == 202)
            }
            let told = heard.withLock { $0 }
            #expect(told.count == 2 && told[0].contains("no room") && told[1] == "stored")
        }
    }

    @Test("a token that nobody resolved: outcome_unknown") func unknown() async throws {
        try await IngestHarness.with(IngestHarness()) { harness, buffer in
            let id = await harness.send(Self.post)[0]
            _ = buffer.take()
            let answer = await harness.server.untilAnswered(id)
            #expect(answer.status == 503)
            #expect(answer.member("code") == "outcome_unknown")
        }
    }

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

    @Test("the node ends while the disk does not answer: outcome_unknown, and the drain is over") func hangsAtTheEnd() async throws {
        let harness = try IngestHarness()
        let buffer = FakeBuffer(harness.port), stage = try harness.stage()
        let run = Task { try await stage.run() }
        await harness.server.untilHandled(1)
        let ids = await harness.send(Self.post, Self.post)
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

    @Test("the end of a group is above all its batches, in whatever order the buffer wrote them") func ends() {
        let group = PendingGroup(number: 1, expecting: 1)
        #expect(group.end([]) == nil)
        group.batchCounts = [3, 1, 2]
        for (firsts, end) in [([0, 3, 4], 6), ([3, 0, 1], 6), ([10, 90, 20], 91), ([7, 3, 4], 10)] as [([UInt64], UInt64)] {
            #expect(group.end(firsts) == end)
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

    @Test("a restart leaves nobody hanging: what was handed over gets its answer, what was not gets 503") func restart() async throws {
        let harness = try IngestHarness()
        let buffer = FakeBuffer(harness.port)
        let first = try harness.stage()
        let run = Task { try await first.run() }
        await harness.server.untilHandled(1)
        let submitted = await harness.send(Self.post)[0]
        let lost = await harness.send(FakeRequest("/v1/topics/clicks", "x"))[0]
        let submissions = buffer.take()
        buffer.disconnect()
        let held = await harness.send(Self.post)[0]
        let gathered = await harness.send(Self.post)[0]
        run.cancel()
        await #expect(throws: CancellationError.self) { try await run.value }
        for id in [held, gathered] { #expect(await harness.server.untilAnswered(id).member("code") == "unavailable") }
        // Between the stages.
        #expect(await harness.answer(to: Self.post).member("code") == "unavailable")
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
        let third = await harness.send(Self.post)[0]
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
        let id = await harness.send(Self.post)[0]
        let kafka = await harness.send(FakeRequest("/v1/topics/orders?ack=kafka"))[0]
        let isDrained = Mutex(false)
        let drain = Task {
            await stage.drain()
            isDrained.withLock { $0 = true }
        }
        // Until the drain has begun, requests are still taken.
        while true {
            let id = await harness.send(Self.post)[0]
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
