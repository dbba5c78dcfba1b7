package import ForebayCore

/// The threads that serve all logs of a node: one commits, one looks after files, one reads backlogs, one does what may take longer.
///
/// One thread reads for all cursors. It copies and checks two GiB a second and more, beyond what a node can deliver; a disk that is slower
/// gives no more to several who jump between places than to one who reads on; and in turns of about a MiB, readers who are near to each
/// other stay so, and read once together (``ReadCache``). So a reader waits for another's disk as long as a read or two takes. Where the
/// device fails, and is waited for, that is on the thread beside it, where it holds up nobody who can read.
package struct SpoolThreads: Sendable {
    let commit: any WorkThread
    let keep: any WorkThread
    /// For those who read a backlog: a cold disk holds up neither deliveries nor the edge.
    package let read: any WorkThread
    /// For what may wait long for the disk, or read much of it: a device that fails, side logs, folders that are removed.
    package let wait: any WorkThread

    package init(_ surroundings: Surroundings = .real) {
        self.commit = surroundings.executors.thread(label: "fb-commit")
        self.keep = surroundings.executors.thread(label: "fb-keeper")
        self.read = surroundings.executors.thread(label: "fb-reader")
        self.wait = surroundings.executors.thread(label: "fb-patient")
    }

    /// The `ThreadID` of the one that commits.
    package var commitThread: Int32 { self.commit.threadID }

    /// After every log on them has been closed.
    package func end() {
        self.commit.end()
        self.keep.end()
        self.read.end()
        self.wait.end()
    }
}
