import ForebayCore

/// Decides what a group is.
///
///     waiting in the link --takes all, up to the bound--> committing --receipts--> settled
///                                                              |------refused---> settled
///
/// While one group is synced the next one gathers in the link: there is nothing else to wait for.
struct BufferState {
    private let groupBytes: Int
    private(set) var groups: UInt64 = 0
    private(set) var refusedGroups: UInt64 = 0
    /// The last refusal, until a group is stored again.
    private(set) var refusal: String?

    init(groupBytes: Int) {
        self.groupBytes = groupBytes
    }

    /// Bytes to take from the link beside `first`.
    func room(beside first: Submission) -> Int {
        max(0, self.groupBytes - first.weight)
    }

    mutating func stored() {
        self.groups += 1
        self.refusal = nil
    }

    mutating func refused(_ error: ForebayError) {
        self.refusedGroups += 1
        self.refusal = error.description
    }
}
