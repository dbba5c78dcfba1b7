import Testing

@testable import ForebayHTTP

@Suite("Queue of answers")
struct AnswerQueueTests {
    @Test("100 Continue is taken once, when all answers before it are written")
    func invitation() {
        let answers = AnswerQueue()
        _ = answers.open()
        _ = answers.open()
        answers.oweInvitation()
        #expect(!answers.takeInvitation())
        answers.advance()
        #expect(answers.takeInvitation())
        #expect(!answers.takeInvitation())
    }

    @Test("100 Continue is not owed any more when the body has come without")
    func withdrawn() {
        let answers = AnswerQueue()
        _ = answers.open()
        answers.oweInvitation()
        answers.withdrawInvitation()
        #expect(!answers.takeInvitation())
    }

    @Test("an early answer waits for its turn, and counts until then")
    func early() {
        let answers = AnswerQueue()
        let (first, second) = (answers.open(), answers.open())
        answers.keep(AnswerQueue.Early(bytes: [1, 2, 3], closes: false), for: second)
        #expect(answers.isWaited(first) && !answers.isWaited(second))
        #expect(answers.takeFirstEarly() == nil && answers.earlyBytes == 3)
        answers.advance()
        #expect(answers.takeFirstEarly()?.bytes == [1, 2, 3])
        #expect(answers.earlyBytes == 0)
    }
}
