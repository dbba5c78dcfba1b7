import Glibc

/// Whole lines to a file descriptor, without ever waiting for whoever reads it.
///
/// A pipe whose reader hangs, a terminal stopped with Ctrl-S, a log daemon that is slow: a plain `write` would wait for them, and with it
/// the event loop and all producers. What is not taken at once is kept up to `pendingBound`; what does not fit is dropped and counted.
///
/// `O_NONBLOCK` belongs to the open file, which we share with the shell and others who did not ask for it. So a pipe or a terminal is
/// opened again through `/proc`, for a description of our own; a socket takes a flag with each call; a file never makes us wait for a
/// reader. Where opening again is not allowed (a pipe made by another user), `poll` says whether a line fits: for a pipe that is 4 KiB.
struct LogOutput: ~Copyable {
    private enum Way: Equatable { case plain, reopened(Int32), socket, polled }

    /// Bytes of lines that wait for a reader.
    static let pendingBound = 256 << 10

    private let descriptor: Int32
    private let way: Way
    private var pending: [UInt8] = []
    private var pendingStart = 0
    /// Lines lost since the start.
    private(set) var dropped: UInt64 = 0
    private var unreported: UInt64 = 0

    /// - Parameter mayReopen: false to behave as if the descriptor belonged to another user.
    init(descriptor: Int32, mayReopen: Bool = true) {
        self.descriptor = descriptor
        self.way = Self.way(to: descriptor, mayReopen)
    }

    deinit {
        if case .reopened(let own) = self.way { close(own) }
    }

    var isTerminal: Bool { isatty(self.descriptor) == 1 }
    var isEmpty: Bool { self.pendingStart == self.pending.count }

    /// Takes a line: written, kept, or dropped and counted.
    mutating func write(_ line: [UInt8]) {
        self.drain()
        if self.isEmpty {
            let written = self.attempt(line[...])
            guard written < line.count else { return }
            guard written >= 0 else { return self.drop() }
            self.pending = Array(line[written...])
            self.pendingStart = 0
        } else if self.pending.count - self.pendingStart + line.count <= Self.pendingBound {
            self.pending += line
        } else {
            self.drop()
        }
    }

    /// Writes what is kept, as far as it is taken.
    mutating func drain() {
        while !self.isEmpty {
            let written = self.attempt(self.pending[self.pendingStart...])
            guard written != 0 else { break }
            guard written > 0 else {
                self.drop()  // The reader is gone: nobody will take it.
                self.pendingStart = self.pending.count
                break
            }
            self.pendingStart += written
        }
        if self.isEmpty {
            if !self.pending.isEmpty { self.pending.removeAll(keepingCapacity: false) }
            self.pendingStart = 0
        } else if self.pendingStart > Self.pendingBound / 2 {
            self.pending.removeFirst(self.pendingStart)
            self.pendingStart = 0
        }
    }

    /// Waits for the reader for at most `milliseconds`: only for the end of the process.
    mutating func flush(within milliseconds: Int64) {
        let end = Timestamp.monotonic() + milliseconds
        self.drain()
        while !self.isEmpty, case let left = end - Timestamp.monotonic(), left > 0 {
            var query = pollfd(fd: self.descriptor, events: Int16(POLLOUT), revents: 0)
            guard poll(&query, 1, Int32(left)) >= 0 || errno == EINTR else { return }
            self.drain()
        }
    }

    /// How many lines were dropped since this was last asked, once there is room to say so.
    mutating func takeUnreported() -> UInt64 {
        guard self.isEmpty else { return 0 }
        defer { self.unreported = 0 }
        return self.unreported
    }

    private mutating func drop() {
        self.dropped += 1
        self.unreported += 1
    }

    // MARK: System calls

    /// Bytes taken; 0 if none can be taken now, -1 if none ever will.
    private func attempt(_ bytes: ArraySlice<UInt8>) -> Int {
        bytes.withUnsafeBytes { buffer in
            while true {
                let written = self.call(buffer)
                if written >= 0 { return written }
                switch errno {
                case EINTR: continue
                case EAGAIN: return 0
                default: return -1
                }
            }
        }
    }

    private func call(_ buffer: UnsafeRawBufferPointer) -> Int {
        switch self.way {
        case .plain: return Glibc.write(self.descriptor, buffer.baseAddress, buffer.count)
        case .reopened(let own): return Glibc.write(own, buffer.baseAddress, buffer.count)
        case .socket: return send(self.descriptor, buffer.baseAddress, buffer.count, Int32(MSG_DONTWAIT | MSG_NOSIGNAL))
        case .polled:
            var query = pollfd(fd: self.descriptor, events: Int16(POLLOUT), revents: 0)
            guard poll(&query, 1, 0) == 1 else { return 0 }
            return Glibc.write(self.descriptor, buffer.baseAddress, min(buffer.count, 4096))
        }
    }

    private static func way(to descriptor: Int32, _ mayReopen: Bool) -> Way {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { return .plain }
        switch status.st_mode & S_IFMT {
        case S_IFSOCK: return .socket
        case S_IFIFO, S_IFCHR:
            guard mayReopen else { return .polled }
            let own = open("/proc/self/fd/\(descriptor)", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)
            return own >= 0 ? .reopened(own) : .polled
        default: return .plain
        }
    }
}
