import ForebayNet

/// What a server takes from the system: connections unless it is full, bytes unless it is paused. The rest waits in the system's queues.
struct Intake<Listener: PausableListener> {
    private var listeners: [Listener] = []
    /// For all sockets of the server.
    let gate = ReadGate()
    /// At the cap of connections, and nobody makes room.
    private(set) var isFull = false

    mutating func add(_ listener: Listener) { self.listeners.append(listener) }

    mutating func setFull(_ isFull: Bool) {
        guard isFull != self.isFull else { return }
        self.isFull = isFull
        for listener in self.listeners { isFull ? listener.pause() : listener.resume() }
    }

    /// Takes no more connections, ever.
    mutating func close() {
        for listener in self.listeners { listener.close() }
        self.listeners = []
    }
}

/// Where connections come from.
protocol PausableListener: AnyObject {
    func pause()
    func resume()
    func close()
}

extension TCPListener: PausableListener {}
