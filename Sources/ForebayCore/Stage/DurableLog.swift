/// Where events become safe before their producer is answered: a spool, a fronting Kafka cluster, a store for when that is away.
package protocol DurableLog: Sendable {
    /// Stores submissions in their order, each whole or not at all.
    ///
    /// `durable`: on stable storage; its token knew the numbers before anything of it could be delivered. `refused`: nothing of it is
    /// stored, and others of the group may be. `unknown`: it may be stored.
    ///
    /// - Returns: how each ended, in their order.
    func store(_ submissions: [Submission], isolation: isolated (any Actor)?) async -> [AckOutcome]

    /// Whether new submissions would be refused for want of room. Cheap, from any thread.
    var isFull: Bool { get }

    /// What `status` shows of it. Must not wait.
    var facts: [Fact] { get }
}
