/// What became of one event.
package struct KafkaReport: Sendable, Equatable {
    package let token: UInt64
    package let offset: Int64
    package let partition: Int32
    package let error: KafkaErrorCode
    /// With an error: whether it may stand in the log nevertheless.
    package let mayBeStored: Bool

    package init(token: UInt64, offset: Int64, partition: Int32, error: KafkaErrorCode, mayBeStored: Bool) {
        self.token = token
        self.offset = offset
        self.partition = partition
        self.error = error
        self.mayBeStored = mayBeStored
    }
}

/// What a producer has to tell.
package enum KafkaSignal {
    /// In the order of librdkafka; valid during the call.
    case reports(UnsafeBufferPointer<KafkaReport>)
    /// The producer takes nothing any more. Wait for the reports in flight, close it, and make a new one.
    case fatal(KafkaFailure)
    /// Something failed that librdkafka goes on trying; already logged.
    case failure(KafkaFailure)
    /// By a quota: the broker reads nothing from this client for so long.
    case throttled(milliseconds: Int, broker: String)
}
