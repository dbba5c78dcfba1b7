import ForebayKafka
import Testing

@testable import ForebayDelivery

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

extension TargetHealthTests {
    @Test("what a broker said counts for a minute before the outage, and no longer", arguments: [(59_999, true), (60_000, false)])
    func ageOfHints(age: Int, counts: Bool) {
        var health = TargetHealth()
        health.heard(Self.login, at: 100)
        health.failed(Self.silent, at: 100 + Int64(age))
        #expect(health.trouble?.failure == (counts ? Self.login : Self.silent))

        var fresh = TargetHealth()
        fresh.heard(Self.login, at: 100)
        fresh.heard(Self.refused, at: 100 + Int64(age))
        fresh.failed(Self.silent, at: 100 + Int64(age))
        #expect(fresh.trouble?.failure == (counts ? Self.login : Self.refused), "a less telling one takes over when it is old")
    }

    @Test("of equally telling ones the newer counts; the same again, of whichever broker, is nothing new")
    func equals() {
        let other = KafkaFailure(.criticalSystemResource, reason: "broker 2")
        var health = TargetHealth()
        health.heard(Self.refused, at: 100)
        health.heard(other, at: 200)
        health.failed(Self.down, at: 300)
        #expect(health.trouble?.failure == other)
        health.failed(Self.refused, at: 400)
        #expect(health.trouble?.failure == Self.refused && health.trouble?.since == 300 && health.trouble?.heardAt == 400)
        health.heard(KafkaFailure(.transport, reason: "broker 2: connection refused"), at: 500)
        #expect(health.trouble?.failure == Self.refused && health.trouble?.heardAt == 500)
        let closed = KafkaFailure(.transport, reason: "broker 1: Disconnected while requesting ApiVersion: a TLS listener?")
        health.heard(closed, at: 600)
        #expect(health.trouble?.failure == closed)
        health.failed(Self.silent, at: 700)
        health.failed(KafkaFailure(.transport), at: 750)
        #expect(health.trouble?.failure == closed && health.trouble?.heardAt == 600, "that no broker could be asked says less")
        health.heard(Self.refused, at: 800)
        #expect(health.trouble?.failure == Self.refused && health.trouble?.since == 300)
    }

    @Test("what says something takes the place of what says more, when librdkafka would have repeated that", arguments: [34_999, 35_000])
    func unheard(age: Int64) {
        var health = TargetHealth()
        health.failed(Self.login, at: 100)
        health.heard(Self.refused, at: 100 + age)
        #expect(health.trouble?.failure == (age < 35_000 ? Self.login : Self.refused))
    }

    @Test("producers that fail one after the other are an outage whatever is answered, until one delivers or lasts")
    func producers() {
        let fatal = KafkaFailure(.fatal, reason: "Idempotent producer not supported")
        var health = TargetHealth()
        #expect(health.answered(at: 50) == nil)
        health.producersFail(fatal, at: 100)
        #expect(health.answered(at: 150) == nil && health.isUp == false && health.trouble?.failure == fatal)
        health.heard(Self.login, at: 200)
        health.failed(Self.silent, at: 300)
        health.producersFail(fatal, at: 5000)
        #expect(health.trouble?.failure == fatal && health.trouble?.since == 100 && health.trouble?.heardAt == 5000)
        #expect(TargetHealth.message(for: fatal, isOfProducers: true).contains("fails before it delivers"))
        health.producersLast()
        #expect(health.answered(at: 5100) == 5000 && health.isUp == true && health.trouble == nil)
    }

    @Test(
        "a quota explains that nobody answers while it holds the client up, and a while after; not what a broker says",
        arguments: [22_999, 23_000])
    func quota(after: Int64) {
        var health = TargetHealth()
        health.throttled(for: 3000, by: "k:1/1", at: 0)
        #expect(health.trouble == nil && health.isUp == nil, "it answers yet")
        _ = health.answered(at: 10)
        health.throttled(for: 1, by: "k:1/1", at: 1)
        health.failed(Self.silent, at: after)
        #expect(health.trouble?.failure.code == (after < 23_000 ? .throttled : .timedOut))
        health.throttled(for: 3000, by: "k:1/1", at: after)
        health.heard(Self.down, at: after + 1)
        #expect(health.trouble?.failure.reason == "k:1/1: a quota of the cluster holds this client up")
        health.heard(Self.login, at: after + 2)
        #expect(health.trouble?.failure == Self.login)
    }

    @Test("that nobody answers says least, a broker's refusal most")
    func ranks() {
        let byRank: [[KafkaErrorCode]] = [
            [.timedOut, .allBrokersDown, .transport], [.unknownServerError, .criticalSystemResource],
            [.resolve, .authentication, .ssl, .clusterAuthorizationFailed],
        ]
        for (low, lower) in byRank.enumerated() {
            for (high, higher) in byRank.enumerated() {
                for (one, other) in lower.flatMap({ one in higher.map { (one, $0) } }) where one != other {
                    var health = TargetHealth()
                    health.failed(KafkaFailure(one), at: 0)
                    health.failed(KafkaFailure(other), at: 1)
                    #expect(health.trouble?.failure.code == (high > low || high == low && high > 0 ? other : one), "\(one), \(other)")
                }
            }
        }
    }

    @Test("an answer forgets what was said before; a clock that was set back makes no outage shorter than none")
    func forgets() {
        var health = TargetHealth()
        health.heard(Self.login, at: 100)
        #expect(health.answered(at: 200) == nil)
        health.failed(Self.silent, at: 300)
        #expect(health.trouble?.failure == Self.silent)
        #expect(health.answered(at: 299) == 0 && health.answered(at: 300) == nil)
    }

    @Test("it is called by its cause")
    func messages() {
        let messages: [(KafkaErrorCode, String)] = [
            (.authentication, "login"), (.saslAuthenticationFailed, "login"), (.ssl, "TLS"), (.clusterAuthorizationFailed, "produce"),
            (.throttled, "quota"), (.timedOut, "does not answer"), (.transport, "does not answer"),
        ]
        for (code, words) in messages { #expect(TargetHealth.message(for: KafkaFailure(code)).contains(words), "\(code)") }
    }
}
