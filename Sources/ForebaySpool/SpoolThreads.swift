package import ForebayCore

/// The threads that serve all logs of a node: one commits, one looks after files, one reads backlogs.
package struct SpoolThreads: Sendable {
    let commit: any WorkThread
    let keep: any WorkThread
    /// For those who read: a cold disk holds up neither deliveries nor the edge.
    package let read: any WorkThread

    package init(_ surroundings: Surroundings = .real) {
        self.commit = surroundings.executors.thread(label: "fb-commit")
        self.keep = surroundings.executors.thread(label: "fb-keeper")
        self.read = surroundings.executors.thread(label: "fb-reader")
    }

    /// The `ThreadID` of the one that commits.
    package var commitThread: Int32 { self.commit.threadID }

    /// After every log on them has been closed.
    package func end() {
        self.commit.end()
        self.keep.end()
        self.read.end()
    }
}
