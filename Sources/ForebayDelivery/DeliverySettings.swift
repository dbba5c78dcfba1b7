import ForebayCore
import ForebayKafka

/// Bounds and times of a forward stage. Times are in milliseconds, sizes in bytes.
package struct DeliverySettings: Sendable {
    /// Events given to librdkafka and not reported yet, of one partition.
    package var partitionWindow = 1 << 20
    /// What is pulled and can't be sent yet; past it nothing more is pulled.
    package var queueLimit = 2 << 20
    /// What an event costs beside its bytes while it is in flight: librdkafka's message, key and headers, and our own entry.
    package var eventOverhead = 256
    /// A keyless event joins its predecessor's partition until so many bytes went there.
    package var stickyBytes = 64 << 10
    /// A producer that failed for good may still get reports of what is in flight.
    package var reportPatience = 1000
    /// From closing a producer to making its successor; doubled while failures follow each other, up to `backoffLimit`.
    package var rebuildDelay = 500
    /// Before what could not be delivered now is tried again; doubled each time, up to one of the limits below.
    package var backoffDelay = 100
    /// Of a partition that is not set aside: events that nothing is known against must not wait for long.
    package var partitionBackoffLimit = 2000
    /// Of a topic that is not set aside, and of producers that are made anew.
    package var backoffLimit = 5000
    /// Of a unit that is set aside, `delivery.set_aside.retry`: it alone may be long, for nobody else waits for it.
    package var retryLimit = 30_000
    /// A partition without progress for so long is set aside, if the cluster answers.
    package var partitionPatience = 10_000
    /// A partition without progress for so long is told of, if it is not set aside by then.
    package var stallTold = 30_000
    /// Topics of which something may be set aside at once; what fails beyond it holds the route.
    package var setAsideTopics = 10_000
    /// Units that are asked for or drained at once: librdkafka keeps some 100 KiB for a topic that it sends to.
    package var drainedUnits = 32
    /// Bytes of batches that are kept only for what a producer holds of units; past it the producer is made anew.
    package var settledOutstandingBytes = 8 << 20
    /// Bytes that go into the set-aside log as one group.
    package var setAsideGroup = 1 << 20
    /// Milliseconds after which the drain's producers are closed when nothing is set aside.
    package var drainIdle: UInt64 = 30_000
    /// How often the cluster is asked for partitions, leaders and limits of the topics in use.
    package var metadataInterval = 300_000
    /// How long an answer is waited for; doubled while there is none.
    package var metadataPatience = 2000
    /// Before the cluster is asked again when it did not answer.
    package var metadataRetry = 1000
    /// How long the first events of a topic wait for its `max.message.bytes`.
    package var limitPatience = 500
    /// Topics kept open in librdkafka without events.
    package var idleTopics = 1000
    /// Topics asked for in one request, whose answer librdkafka takes in at once.
    package var topicsPerRequest = 250
    /// librdkafka forgets no topic before its client ends, and looks through all of them for each that is opened: a client that was given
    /// so many, and has no use for most of them, is made anew.
    package var openedTopics = 2000
    /// ms between two such renewals, each of which is a pause; at twice as many topics it does not wait.
    package var renewalInterval = 5000
    /// Partitions that one look for stalls covers, so that a turn has a bound.
    package var stallsPerLook = 20_000
    /// Units whose events go into the set-aside log as one group.
    package var setAsideGroupUnits = 500
    /// How often a cluster that has said nothing for so long is asked whether it is there.
    package var targetInterval = 15_000
    /// The same while no topic is in use.
    package var idleInterval = 60_000
    /// Topics with a smaller `max.message.bytes` than the producer's batches get a producer with smaller ones.
    package var batchSize = 1_000_000
    /// Without compression an event's size on the wire is known, so one that is too large needs no refusal to be told.
    package var isCompressed = false
    /// A drain gives up on a cluster that reports nothing for so long.
    package var drainPatience = 2000

    package init() {}

    /// When a partition stands still, the cluster is asked so often that an answer tells of it for so many ms.
    var answerLasts: UInt64 { 2 * UInt64(self.metadataRetry) }

    /// A cluster that says nothing for longer, though it is asked, is away: what stands still meanwhile does so by no fault of its own.
    var outage: UInt64 { UInt64(max(3 * self.metadataRetry, min(self.partitionPatience / 2, 10 * self.metadataRetry))) }

    /// With what the cluster's own properties decide.
    func adjusted(to properties: KafkaProperties) -> DeliverySettings {
        var adjusted = self
        if let size = properties["batch.size"].flatMap({ Int($0) }) { adjusted.batchSize = max(1, size) }
        let codec = properties["compression.type"] ?? properties["compression.codec"] ?? "none"
        adjusted.isCompressed = codec != "none"
        return adjusted
    }

    /// What a batch costs while it is in flight.
    func cost(of batch: Batch) -> Int { batch.byteCount + batch.count * self.eventOverhead }

    /// The delay before the `failures`-th try again (1…).
    static func delay(_ first: Int, failures: Int, limit: Int) -> UInt64 {
        UInt64(min(max(0, limit), first << min(20, max(0, failures - 1))))
    }
}
