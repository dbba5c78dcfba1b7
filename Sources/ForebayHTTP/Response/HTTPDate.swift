import Glibc

/// The value of the Date field, made anew when the second changes.
final class HTTPDate {
    /// `Sun, 06 Nov 1994 08:49:37 GMT`
    let text: UnsafeRawBufferPointer
    private let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 29, alignment: 1)
    private var second: time_t = -1

    init() {
        self.text = UnsafeRawBufferPointer(self.memory)
        self.update()
    }

    deinit {
        self.memory.deallocate()
    }

    func update() {
        self.update(to: time(nil))
    }

    func update(to now: time_t) {
        guard now != self.second else { return }
        self.second = now
        var (now, parts) = (now, tm())
        gmtime_r(&now, &parts)
        let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        func two(_ number: CInt) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let date = "\(days[Int(parts.tm_wday)]), \(two(parts.tm_mday)) \(months[Int(parts.tm_mon)]) \(parts.tm_year + 1900)"
        self.memory.copyBytes(
            from: "\(date) \(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec)) GMT".utf8.prefix(self.memory.count))
    }
}
