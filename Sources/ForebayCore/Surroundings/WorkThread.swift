/// A thread for the actors that make calls that may wait: the disk, a C library.
package protocol WorkThread: Sendable {
    /// The executor for one actor. Actors of the same thread may get the same one.
    func executor() -> any SerialExecutor

    /// The ``ThreadID`` as the system knows it; 0 if it has none (yet).
    var threadID: Int32 { get }

    /// After the actors on it have been closed.
    func end()
}

extension ThreadExecutor: WorkThread {
    package func executor() -> any SerialExecutor { self }

    package var threadID: Int32 { self.thread }
}
