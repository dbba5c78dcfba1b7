import ForebayHTTP
import ForebayNet

/// Where requests come in: who takes them, and whether sockets are read.
struct IngestDoor: ~Copyable {
    private let server: any RequestAnswering
    private let onOpened: @Sendable () -> Void
    /// While no socket is read.
    private var patience: Timer?

    /// - Parameter onOpened: called when requests are taken from now on.
    init(_ server: any RequestAnswering, onOpened: @escaping @Sendable () -> Void) {
        self.server = server
        self.onOpened = onOpened
    }

    func open(to handler: IngestHandler) {
        self.server.replaceHandler(handler)
        self.onOpened()
    }

    /// Reads no socket.
    ///
    /// - Parameter patience: runs until somebody has to ask whether that helped.
    mutating func pause(_ patience: Timer) {
        self.patience = patience
        self.server.pauseReading()
    }

    mutating func resume() {
        self.close()
        self.server.resumeReading()
    }

    /// Nobody asks any more.
    mutating func close() {
        self.patience?.cancel()
        self.patience = nil
    }
}
