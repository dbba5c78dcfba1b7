import CUV

/// A timer on a loop. It runs until `cancel()`, or once, whether or not anyone keeps a reference.
package final class Timer: LoopHandle {
    private let body: () -> Void
    private let repeats: Bool

    init(loop: EventLoop, milliseconds: UInt64, repeats: Bool, body: @escaping () -> Void) {
        self.body = body
        self.repeats = repeats
        do {
            try super.init(loop: loop, size: MemoryLayout<uv_timer_t>.size) {
                uv_timer_init(loop.raw, $0.assumingMemoryBound(to: uv_timer_t.self))
            }
        } catch {
            preconditionFailure("uv_timer_init has no way to fail: \(error)")
        }
        let timer = self.raw.assumingMemoryBound(to: uv_timer_t.self)
        uv_update_time(loop.raw)  // Else a timer set late in a long turn would be short.
        uv_timer_start(
            timer, { raw in LoopHandle.owner(raw?.pointee.data, as: Timer.self) { $0.fire() } }, milliseconds, repeats ? milliseconds : 0)
    }

    package func cancel() { self.close() }

    private func fire() {
        if !self.repeats { self.close() }
        self.body()
    }
}

extension EventLoop {
    /// Tells again and again how late the loop is with its work, in seconds: how long something that is due now would have to wait.
    @discardableResult
    package func observeDelay(every milliseconds: Int = 500, _ observe: @escaping (Double) -> Void) -> Timer {
        var due = uv_hrtime() + UInt64(milliseconds) * 1_000_000
        return self.timer(every: milliseconds) {
            let now = uv_hrtime()
            // libuv's timers count whole milliseconds, so less than one is no delay.
            let late = now > due + 1_000_000 ? now - due : 0
            observe(Double(late) / 1e9)
            due = now + UInt64(milliseconds) * 1_000_000
        }
    }

    /// Runs `body` once, that many milliseconds from now.
    @discardableResult
    package func timer(after milliseconds: Int, _ body: @escaping () -> Void) -> Timer {
        Timer(loop: self, milliseconds: UInt64(milliseconds), repeats: false, body: body)
    }

    /// Runs `body` again and again.
    @discardableResult
    package func timer(every milliseconds: Int, _ body: @escaping () -> Void) -> Timer {
        Timer(loop: self, milliseconds: UInt64(milliseconds), repeats: true, body: body)
    }
}
