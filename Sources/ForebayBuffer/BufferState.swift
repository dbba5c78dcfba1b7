import ForebayCore

/// Decides what a group is, and when a refusal is news.
///
///     waiting in the link --takes all, up to the bound--> committing --receipts--> settled
///                                                              |------refused---> settled
///
/// While one group is synced the next one gathers in the link: there is nothing else to wait for.
struct BufferState {
    private let groupBytes: Int
    /// The last submission was refused.
    private var isRefusing = false

    init(groupBytes: Int) {
        self.groupBytes = groupBytes
    }

    /// Bytes to take from the link beside `first`; 0: it fills its group.
    func room(beside first: Submission) -> Int {
        max(0, self.groupBytes - first.weight)
    }

    /// - Returns: why it was refused, if it is the first since something was stored.
    mutating func ended(_ outcome: AckOutcome) -> ForebayError? {
        switch outcome {
        case .durable: self.isRefusing = false
        case .unknown: break
        case .refused(let error):
            defer { self.isRefusing = true }
            return self.isRefusing ? nil : error
        }
        return nil
    }
}
