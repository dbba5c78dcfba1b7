import ForebayCore
import ForebayKafka
import ForebayTestKit
import Testing

@testable import ForebayDelivery

@Suite("Forward state: what the drain lets go of")
struct DeliveryStateDrainTests {
    private static let silent = KafkaFailure(.timedOut)

    @Test("a partition that is a unit is let go of alone; one that stalls within its topic becomes a unit")
    func withdrawsPartition() {
        var driver = Driver(.aside) { $0.setAsideTopics = 1 }
        driver.admit(2, unit: 7, partition: 1)
        driver.admit(1, unit: 8, topic: "u")
        driver.learn(partitions: 2)
        driver.pump()
        driver.state.fail(partition: driver.place(1), Self.silent, byDelivery: false, now: driver.now)
        driver.verify()
        #expect(
            driver.state.actions.refusals == [DeliveryActions.Refusal(key: SetAsideKey("t", 1), failure: Self.silent, byDelivery: false)])
        #expect(
            driver.state.actions.unreported.map(\.token) == [0, 1] && driver.state.takeSettingAside().isEmpty
                && driver.topic().phase == .ready)
        let place = driver.topic("u").metadata.partitions.first { driver.state.partitions[$0].events.unsettled > 0 }!
        driver.state.fail(partition: place, Self.silent, byDelivery: false, now: driver.now)
        #expect(driver.state.takeSettingAside().map(\.request.key.topic) == ["u"] && driver.state.actions.refusals.count == 1)
        driver.admit(1, unit: 9, topic: "w")
        driver.learn(partitions: 2)
        driver.pump()
        let other = driver.topic("w").metadata.partitions.first { driver.state.partitions[$0].events.unsettled > 0 }!
        driver.state.fail(partition: other, Self.silent, byDelivery: false, now: driver.now)
        #expect(
            driver.state.takeSettingAside().isEmpty && driver.state.takeWanted(by: .main) == [driver.index("w")], "too many: asked again")
    }
}
