package import ForebayCore

/// The threads that serve all logs of a node. Each does one kind of work, and waits for what that may wait for:
///
/// - `fb-commit` appends, to all logs.
/// - `fb-keeper` looks after the files of all logs: syncs cursors, removes what nobody needs, makes what is needed next.
/// - `fb-reader` reads the spool's backlogs, for all cursors. It waits for the disk, as long as a read takes, and never for a device that
///   fails; nor does it tell of what is lost.
/// - `fb-patient` does both, for those readers of the spool who need it. It holds up nobody who can read.
/// - `fb-side` reads the side logs: drains what is set aside or moves it, lists dead letters. It waits for a device that fails.
/// - `fb-letters` has the dead letters' logs appended to, opened and closed, and gives up what removed routes left. It reads nothing, but
///   for the end of a log that it opens: no delivery whose dead letter is on its way, and no stop, stands behind a device that fails to
///   give what others ask for.
///
/// That one thread reads for all cursors costs nothing. It copies and checks two GiB a second and more, beyond what a node can deliver; a
/// disk that is slower gives no more to several who jump between places than to one who reads on; and in turns of about a MiB, readers who
/// are near to each other stay so, and read once together (``ReadCache``).
package struct SpoolThreads: Sendable {
    let commit: any WorkThread
    let keep: any WorkThread
    package let read: any WorkThread
    package let patient: any WorkThread
    package let side: any WorkThread
    package let letters: any WorkThread

    package init(_ surroundings: Surroundings = .real) {
        self.commit = surroundings.executors.thread(label: "fb-commit")
        self.keep = surroundings.executors.thread(label: "fb-keeper")
        self.read = surroundings.executors.thread(label: "fb-reader")
        self.patient = surroundings.executors.thread(label: "fb-patient")
        self.side = surroundings.executors.thread(label: "fb-side")
        self.letters = surroundings.executors.thread(label: "fb-letters")
    }

    /// The `ThreadID` of the one that commits.
    package var commitThread: Int32 { self.commit.threadID }

    /// After every log on them has been closed.
    package func end() {
        for thread in [self.commit, self.keep, self.read, self.patient, self.side, self.letters] { thread.end() }
    }
}
