import ForebayKafka
import Testing

@testable import ForebayDelivery

@Suite("Forward configuration")
struct DeliverySettingsTests {
    /// What docs and other stages rely on: a change here is one that users notice.
    @Test("bounds and times are those that the documentation names")
    func defaults() {
        let values = DeliverySettings()
        let sizes: [(Int, Int)] = [
            (values.partitionWindow, 1 << 20), (values.queueLimit, 2 << 20), (values.eventOverhead, 256), (values.stickyBytes, 64 << 10),
            (values.settledOutstandingBytes, 8 << 20), (values.setAsideGroup, 1 << 20), (values.batchSize, 1_000_000),
        ]
        let times: [(Int, Int)] = [
            (values.reportPatience, 1000), (values.rebuildDelay, 500), (values.backoffDelay, 100), (values.partitionBackoffLimit, 2000),
            (values.backoffLimit, 5000), (values.retryLimit, 30_000), (values.partitionPatience, 10_000), (Int(values.drainIdle), 30_000),
            (values.metadataInterval, 300_000), (values.metadataPatience, 2000), (values.metadataRetry, 1000), (values.limitPatience, 500),
            (values.renewalInterval, 5000), (values.targetInterval, 15_000), (values.idleInterval, 60_000), (values.drainPatience, 2000),
        ]
        let counts: [(Int, Int)] = [
            (values.setAsideTopics, 10_000), (values.drainedUnits, 32), (values.idleTopics, 1000), (values.topicsPerRequest, 250),
            (values.openedTopics, 2000), (values.stallsPerLook, 20_000), (values.setAsideGroupUnits, 500),
        ]
        for (value, known) in sizes + times + counts { #expect(value == known) }
        #expect(!values.isCompressed)
        #expect(DeliveryBudget().total == 32 << 20)
    }

    @Test("the cluster's own properties decide how large batches are, and whether sizes on the wire are known")
    func adjusted() {
        func adjusted(_ properties: [String: String]) -> DeliverySettings {
            DeliverySettings().adjusted(to: KafkaProperties(client: properties))
        }
        #expect(adjusted([:]).batchSize == 1_000_000 && !adjusted([:]).isCompressed)
        #expect(adjusted(["batch.size": "5000"]).batchSize == 5000)
        #expect(adjusted(["batch.size": "0"]).batchSize == 1)
        #expect(adjusted(["compression.type": "none"]).isCompressed == false)
        #expect(adjusted(["compression.type": "zstd"]).isCompressed && adjusted(["compression.codec": "lz4"]).isCompressed)
        #expect(adjusted([:]).partitionWindow == 1 << 20, "the rest stays")
    }

    @Test("a delay doubles with each failure up to its limit, and never overflows")
    func delays() {
        func delay(_ first: Int, _ failures: Int, _ limit: Int = 1 << 60) -> UInt64 {
            DeliverySettings.delay(first, failures: failures, limit: limit)
        }
        #expect((-1...5).map { delay(100, $0) } == [100, 100, 100, 200, 400, 800, 1600])
        #expect(delay(3, 21) == 3 << 20 && delay(3, 22) == 3 << 20 && delay(3, 1_000_000) == 3 << 20)
        #expect((1...4).map { delay(100, $0, 300) } == [100, 200, 300, 300])
        #expect(delay(100, 1, 0) == 0 && delay(100, 1, -5) == 0)
    }
}
