/// Proof that events are on stable storage. Only the sync routine makes one, after the sync has returned 0.
package struct DurableReceipt: Sendable {
    /// What the ids of its events begin with.
    package let origin: SpoolID
    /// The sequence of the first event of each batch, in the order of ``Submission/batches``.
    package let firstSequences: [UInt64]

    package init(origin: SpoolID, firstSequences: [UInt64]) {
        self.origin = origin
        self.firstSequences = firstSequences
    }
}
