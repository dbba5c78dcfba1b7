import ForebayKafka
import Testing

@testable import ForebayForward

@Suite("Target health")
struct TargetHealthTests {
    private static let login = KafkaFailure(.authentication, reason: "broker 1: SASL authentication error: wrong password")
    private static let silent = KafkaFailure(.timedOut)
    private static let down = KafkaFailure(.allBrokersDown)
    private static let refused = KafkaFailure(.transport, reason: "broker 1: connection refused")

    @Test("one broker's failure is not the cluster's; it explains the outage that follows")
    func hint() {
        var health = TargetHealth()
        health.heard(Self.login, at: 100)
        #expect(health.trouble == nil && health.isUp == nil)
        health.heard(Self.down, at: 200)
        #expect(health.trouble?.failure == Self.login && health.trouble?.since == 200 && health.isUp == false)
        health.failed(Self.silent, at: 5000)
        #expect(health.trouble?.failure == Self.login, "that nobody answers says less")
    }

    @Test("a more telling failure takes over, and the outage began when it began")
    func takesOver() {
        var health = TargetHealth()
        health.failed(Self.silent, at: 100)
        #expect(health.trouble?.failure == Self.silent)
        health.heard(Self.refused, at: 300)
        #expect(health.trouble?.failure == Self.refused)
        health.heard(Self.login, at: 400)
        #expect(health.trouble?.failure == Self.login && health.trouble?.since == 100)
        health.heard(Self.refused, at: 500)
        #expect(health.trouble?.failure == Self.login)
    }

    @Test("a cause that nothing confirms gives way; one that repeats does not")
    func stale() {
        var health = TargetHealth()
        health.heard(Self.login, at: 100)
        health.failed(Self.silent, at: 100)
        health.heard(Self.login, at: 50_000)
        health.failed(Self.silent, at: 70_000)
        #expect(health.trouble?.failure == Self.login)
        health.failed(Self.silent, at: 110_000)
        #expect(health.trouble?.failure == Self.silent && health.trouble?.since == 100)
    }

    @Test("an answer ends it and tells how long it was, once")
    func ends() {
        var health = TargetHealth()
        #expect(health.answered(at: 50) == nil && health.isUp == true)
        health.failed(Self.silent, at: 100)
        #expect(health.answered(at: 4100) == 4000)
        #expect(health.answered(at: 4200) == nil && health.trouble == nil && health.isUp == true)
        health.failed(Self.silent, at: 5000)
        #expect(health.trouble?.failure == Self.silent, "what was said in an earlier outage is forgotten")
    }
}
