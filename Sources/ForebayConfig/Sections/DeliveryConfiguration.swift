/// How far delivery may run ahead, and when it sets aside. Sizes are bytes.
package struct DeliveryConfiguration: Sendable, Equatable {
    package var window: Int
    package var partitionWindow: Int
    package var readAhead: Int
    /// A partition that stands still for so long is set aside.
    package var partitionPatienceMilliseconds: Int
    /// The longest wait between two tries of what is set aside.
    package var retryMilliseconds: Int
}

extension DeliveryConfiguration: ConfigurationPart {
    static let entries: [ConfigurationEntry] = [
        .section("delivery", "How far delivery may run ahead of Kafka's acknowledgements. More memory helps over long distances."),
        .key(
            "delivery.window", .size(MiB...GiB), .standard("32MiB"),
            "Events sent and not yet acknowledged, all routes together. Their mirrors have half as much beside it."),
        .key(
            "delivery.partition_window", .size(64 * KiB...GiB), .standard("1MiB"),
            "The same for one partition of a topic. At most delivery.window."),
        .key(
            "delivery.read_ahead", .size(256 * KiB...GiB), .standard("4MiB"),
            "Events read from the spool and not yet sent, for each route."),
        .section(
            "delivery.set_aside",
            "What can't be delivered now (a topic missing or forbidden, a partition that stands still) is kept on disk aside, in order, so that "
                + "it holds up nothing else. A topic's error sets it aside at once; a cluster that is away as a whole sets nothing aside."),
        .key(
            "delivery.set_aside.partition_after", .duration(500...hour), .standard("10s"),
            "A partition without leader or progress for so long is set aside. Only time in which the cluster answers counts."),
        .key(
            "delivery.set_aside.retry", .duration(100...hour), .standard("30s"),
            "The longest wait before what is set aside is tried again; it begins at 100 ms and doubles."),
    ]

    init(_ values: ConfigurationDecoder) {
        self.init(
            window: values.number("delivery.window"), partitionWindow: values.number("delivery.partition_window"),
            readAhead: values.number("delivery.read_ahead"),
            partitionPatienceMilliseconds: values.number("delivery.set_aside.partition_after"),
            retryMilliseconds: values.number("delivery.set_aside.retry"))
    }

    static func check(_ checks: inout ConfigurationChecks) {
        checks.atMost(["delivery", "partition_window"], ["delivery", "window"])
    }
}
