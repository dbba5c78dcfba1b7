/// Keeps dead letters durably.
package protocol DeadLetterLog: Sendable {
    /// Durable on return.
    ///
    /// - Returns: the number of each in the log, in their order.
    func append(_ letters: [DeadLetter]) async throws(ForebayError) -> [UInt64]

    /// None: it holds nothing yet.
    var witness: LogWitness? { get }
}

extension DeadLetterLog {
    package var witness: LogWitness? { nil }
}
