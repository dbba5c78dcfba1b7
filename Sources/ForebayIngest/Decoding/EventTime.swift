/// A producer's timestamp: milliseconds since 1970 as an integer, or RFC 3339's date and time.
enum EventTime {
    /// - Parameter text: digits, or RFC 3339 (`2026-11-21T13:01:02.345+01:00`). Digits behind the millisecond are cut off.
    /// - Returns: milliseconds since 1970; none if it is neither, or before 1970.
    static func parse(_ text: UnsafeRawBufferPointer) -> Int64? {
        text.count > 10 && text[4] == UInt8(ascii: "-") ? self.dateTime(text) : self.integer(text)
    }

    /// Digits alone, without a sign, a fraction, an exponent; below 2^63.
    static func integer(_ text: UnsafeRawBufferPointer) -> Int64? {
        guard !text.isEmpty else { return nil }
        var number: Int64 = 0
        for byte in text {
            guard let digit = self.digit(byte) else { return nil }
            let (scaled, overflow) = number.multipliedReportingOverflow(by: 10)
            let (sum, carry) = scaled.addingReportingOverflow(Int64(digit))
            if overflow || carry { return nil }
            number = sum
        }
        return number
    }

    /// `YYYY-MM-DD "T" hh:mm:ss [. digits] ("Z" | ±hh:mm)`
    static func dateTime(_ text: UnsafeRawBufferPointer) -> Int64? {
        guard text.count >= 20, text[4] == UInt8(ascii: "-"), text[7] == UInt8(ascii: "-"), text[10] | 0x20 == UInt8(ascii: "t"),
            text[13] == UInt8(ascii: ":"), text[16] == UInt8(ascii: ":")
        else { return nil }
        guard let year = self.number(text, 0..<4), let month = self.number(text, 5..<7), let day = self.number(text, 8..<10),
            let hour = self.number(text, 11..<13), let minute = self.number(text, 14..<16), let second = self.number(text, 17..<19)
        else { return nil }
        // A leap second (60) is the second after 59, as in POSIX time.
        guard (1...12).contains(month), day >= 1, day <= self.days(in: month, of: year), hour < 24, minute < 60, second <= 60 else {
            return nil
        }
        var at = 19
        var milliseconds = 0
        if text[at] == UInt8(ascii: ".") {
            at += 1
            var scale = 100
            let start = at
            while at < text.count, let digit = self.digit(text[at]) {
                milliseconds += digit * scale
                scale /= 10
                at += 1
            }
            if at == start { return nil }
        }
        guard let offset = self.offset(text, at) else { return nil }
        let minutes = (self.daysSince1970(year, month, day) * 24 + hour) * 60 + minute - offset
        let total = (minutes * 60 + second) * 1000 + milliseconds
        return total >= 0 ? Int64(total) : nil
    }

    /// Minutes east of Greenwich.
    private static func offset(_ text: UnsafeRawBufferPointer, _ at: Int) -> Int? {
        guard at < text.count else { return nil }
        if text[at] | 0x20 == UInt8(ascii: "z") { return at + 1 == text.count ? 0 : nil }
        guard text.count == at + 6, text[at + 3] == UInt8(ascii: ":"), text[at] == UInt8(ascii: "+") || text[at] == UInt8(ascii: "-"),
            let hours = self.number(text, at + 1..<at + 3), let minutes = self.number(text, at + 4..<at + 6), hours < 24, minutes < 60
        else { return nil }
        return (text[at] == UInt8(ascii: "+") ? 1 : -1) * (hours * 60 + minutes)
    }

    private static func number(_ text: UnsafeRawBufferPointer, _ range: Range<Int>) -> Int? {
        var number = 0
        for index in range {
            guard let digit = self.digit(text[index]) else { return nil }
            number = number * 10 + digit
        }
        return number
    }

    private static func digit(_ byte: UInt8) -> Int? {
        byte &- UInt8(ascii: "0") < 10 ? Int(byte &- UInt8(ascii: "0")) : nil
    }

    private static func days(in month: Int, of year: Int) -> Int {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    /// Proleptic Gregorian. Years begin in March here, so that the leap day is the last of its year.
    private static func daysSince1970(_ year: Int, _ month: Int, _ day: Int) -> Int {
        let shifted = month <= 2 ? year - 1 : year
        let leaps = shifted / 4 - shifted / 100 + shifted / 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return shifted * 365 + leaps + dayOfYear - 719_468
    }
}
