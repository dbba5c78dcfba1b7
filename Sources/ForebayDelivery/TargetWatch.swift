import ForebayKafka

/// What an engine knows of its cluster, beside its topics.
struct TargetWatch {
    var health = TargetHealth()
    /// What was last told of its trouble, while it lasts.
    var told: KafkaFailure?
    /// When it last answered, or took an event, in the loop's ms.
    var heardAt: UInt64 = 0
    /// It is to be asked whether it is there.
    var wantsAnswer = false
    /// The ids of its brokers, by its last answer; those first that are to be asked first when one does not answer.
    var brokers: [Int32] = []
    /// When a client last met a failure, in the loop's ms.
    var clientFailedAt: UInt64?
}
