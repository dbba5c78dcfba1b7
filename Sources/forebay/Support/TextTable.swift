import ForebayCore

/// Columns that line up. Numbers stand to the right.
struct TextTable {
    enum Side { case left, right }

    private let columns: [(title: String, side: Side)]
    private var rows: [[String]] = []
    /// Titles of columns that are left out, for they would say the same in each row.
    var hidden: Set<String> = []

    init(_ columns: (title: String, side: Side)...) {
        self.columns = columns
    }

    mutating func add(_ cells: String...) {
        precondition(cells.count == self.columns.count, "a row has a cell for each column")
        self.rows.append(cells.map(Self.printable))
    }

    var isEmpty: Bool { self.rows.isEmpty }

    /// - Parameter head: styles the line of titles.
    func text(head: (String) -> String = { $0 }) -> String {
        let titles = self.columns.map(\.title)
        let shown = self.columns.indices.filter { !self.hidden.contains(titles[$0]) }
        let widths = self.columns.indices.map { column in (self.rows + [titles]).map { $0[column].count }.max() ?? 0 }
        func line(_ cells: [String]) -> String {
            let padded = shown.map { column in
                let space = String(repeating: " ", count: widths[column] - cells[column].count)
                return self.columns[column].side == .left ? cells[column] + space : space + cells[column]
            }
            var text = padded.joined(separator: "  ")
            while text.last == " " { text.removeLast() }
            return text
        }
        return ([head(line(titles))] + self.rows.map(line)).joined(separator: "\n") + "\n"
    }

    /// What comes from elsewhere may not steer the terminal.
    static func printable(_ text: String) -> String { Terminal.oneLine(text) }
}

/// Numbers as people read them.
enum Shown {
    static func count(_ number: Int) -> String {
        let digits = String(number.magnitude)
        var text = ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index) % 3 == 0 { text += "," }
            text.append(digit)
        }
        return (number < 0 ? "-" : "") + text
    }

    /// `1.4 MiB`: rounded, for reading.
    static func bytes(_ bytes: Int) -> String {
        var (size, units) = (Double(bytes), ["B", "KiB", "MiB", "GiB", "TiB", "PiB"][...])
        while size >= 1024, units.count > 1 {
            size /= 1024
            units = units.dropFirst()
        }
        return units.first == "B" ? "\(bytes) B" : Self.tenths(size) + " " + units.first!
    }

    /// `350 ms`, `4.2 s`, `3 m 20 s`, `5 h 2 m`, `2 d 4 h`.
    static func seconds(_ seconds: Double) -> String {
        guard seconds.isFinite, seconds < 1e12, seconds >= 0 else { return "-" }
        if seconds < 1 { return "\(Int(seconds * 1000)) ms" }
        if seconds < 60 { return Self.tenths(seconds) + " s" }
        let whole = Int(seconds)
        if whole < 3600 { return "\(whole / 60) m \(whole % 60) s" }
        if whole < 86_400 { return "\(whole / 3600) h \(whole % 3600 / 60) m" }
        return "\(whole / 86_400) d \(whole % 86_400 / 3600) h"
    }

    private static func tenths(_ number: Double) -> String {
        let tenths = Int((number * 10).rounded())
        return "\(tenths / 10).\(tenths % 10)"
    }

    /// `75 %`.
    static func percent(_ fraction: Double) -> String {
        Int(exactly: (fraction * 100).rounded()).map { "\($0) %" } ?? "-"
    }

    /// Milliseconds since 1970 from `2026-11-21T13:01:02.345Z`, as nodes write times; none for anything else.
    static func milliseconds(of time: String) -> Int64? {
        let form = time.utf8.map { (0x30...0x39).contains($0) ? UInt8(ascii: "0") : $0 }
        guard form.elementsEqual("0000-00-00T00:00:00.000Z".utf8) else { return nil }
        let numbers = time.split { !$0.isNumber }.compactMap { Int64($0) }
        guard numbers.count == 7, (1...12).contains(numbers[1]), (1...31).contains(numbers[2]) else { return nil }
        // As in `time`, the other way round.
        let year = numbers[0] - (numbers[1] <= 2 ? 1 : 0)
        let monthFromMarch = (numbers[1] + 9) % 12
        let dayOfYear = (153 * monthFromMarch + 2) / 5 + numbers[2] - 1
        let days = year * 365 + year / 4 - year / 100 + year / 400 + dayOfYear - 719_468
        return ((days * 24 + numbers[3]) * 60 + numbers[4]) * 60_000 + numbers[5] * 1000 + numbers[6]
    }

    /// `2026-11-21T13:01:02.345Z` from milliseconds since 1970; the number itself where no calendar goes that far.
    static func time(_ milliseconds: Int64) -> String {
        guard (-62_135_596_800_000..<253_402_300_800_000).contains(milliseconds) else { return "\(milliseconds) ms since 1970" }
        let day: Int64 = 86_400_000
        let days = milliseconds >= 0 ? milliseconds / day : (milliseconds - day + 1) / day
        let rest = Int(milliseconds - days * day)
        // Days since 1 March of year 0, in cycles of 400 years: the leap day is then the last of its year.
        let shifted = days + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        func two(_ number: some BinaryInteger) -> String { (number < 10 ? "0" : "") + "\(number)" }
        let thousandths = rest % 1000
        let tail = (thousandths < 100 ? "0" : "") + two(thousandths)
        let clock = "\(two(rest / 3_600_000)):\(two(rest / 60_000 % 60)):\(two(rest / 1000 % 60)).\(tail)"
        return "\(year)-\(two(month))-\(two(dayOfYear - (153 * monthFromMarch + 2) / 5 + 1))T\(clock)Z"
    }
}
