import Synchronization

/// Tells the ingest stage that the buffer may take more: made before the link, whose signal it is, and before the stage, which listens.
package final class IngestRoom: Sendable {
    private let listener = Mutex<(@Sendable () -> Void)?>(nil)

    package init() {}

    /// From any thread.
    package func signal() {
        self.listener.withLock { $0 }?()
    }

    /// The stage that is in force; the one before hears nothing more.
    func listen(_ body: @escaping @Sendable () -> Void) {
        self.listener.withLock { $0 = body }
    }
}
