import Glibc

/// The value of the Date field, made anew when the second changes.
struct HTTPDate {
    /// `Sun, 06 Nov 1994 08:49:37 GMT`
    static let count = 29
    private(set) var text = [UInt8](repeating: 0x20, count: HTTPDate.count)
    private var second: time_t = -1

    init() {
        self.update()
    }

    mutating func update() {
        self.update(to: time(nil))
    }

    mutating func update(to now: time_t) {
        guard now != self.second else { return }
        self.second = now
        var (now, parts) = (now, tm())
        gmtime_r(&now, &parts)
        let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        func two(_ number: CInt) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let date = "\(days[Int(parts.tm_wday)]), \(two(parts.tm_mday)) \(months[Int(parts.tm_mon)]) \(parts.tm_year + 1900)"
        self.text = Array("\(date) \(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec)) GMT".utf8)
    }
}
