/// What ingest hands to the buffer: whole requests, stored all or none.
package struct Submission: Weighted {
    /// Not numbered yet; several routes make several batches.
    package let batches: [Batch]
    package let ack: AckToken
    package let weight: Int

    package init(batches: [Batch], ack: AckToken) {
        self.batches = batches
        self.ack = ack
        self.weight = batches.reduce(0) { $0 + $1.byteCount }
    }
}
