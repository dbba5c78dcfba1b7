package import ForebayCore

extension Spool: DurableLog {
    /// As one group, synced once; where there is no room for all of it, one by one: others may fit into what is left.
    package func store(_ submissions: [Submission], isolation: isolated (any Actor)? = #isolation) async -> [AckOutcome] {
        do throws(ForebayError) {
            return try await self.commit(submissions).map(AckOutcome.durable)
        } catch {
            guard error.code == .spoolFull, submissions.count > 1 else { return submissions.map { _ in .refused(error) } }
        }
        var outcomes: [AckOutcome] = []
        for submission in submissions { outcomes += await self.store([submission], isolation: isolation) }
        return outcomes
    }

    package var facts: [Fact] {
        [
            Fact("durable_sequence", .number(Int64(clamping: self.durableEnd))),
            Fact("segments", .number(Int64(self.segmentCount))),
        ]
    }
}
