import CRDKafka
import ForebayCore
import ForebayTelemetry
import Glibc

/// librdkafka's own table of its properties: which there are, and what each takes.
///
/// librdkafka reads a number up to the first character that is none, so that `900s` would be 900 milliseconds, and names a property in its
/// messages by another name than the one that was written. So values are read here first, by the table that it prints of itself.
struct KafkaPropertyTable: Sendable {
    enum Kind: Sendable, Equatable {
        case integer(ClosedRange<Int>?)
        case real(ClosedRange<Int>?)
        /// One of these words.
        case choice([String])
        /// Any of these words, separated by commas.
        case flags([String])
        case boolean
        case text
        /// A function; programs give it, configurations can't.
        case function
    }

    static let known = Self(text: Self.printed())

    private let text: String

    /// - Parameter text: as `rd_kafka_conf_properties_show` prints it: `name | C/P | range | default | importance | description`.
    init(text: String) {
        self.text = "\n" + text
    }

    /// Of those that configurations may set, in order.
    var names: [String] {
        Set(
            self.text.utf8.split(separator: UInt8(ascii: "\n")).compactMap { self.row($0)?.name }.filter {
                ![nil, .function].contains(self[$0])
            }
        )
        .sorted()
    }

    /// A search for each that is asked for: a start asks for a few of two hundred.
    subscript(name: String) -> Kind? {
        self.rows(of: name).lazy.compactMap { Self.kind(range: $0.range, description: $0.description) }.first
    }

    /// A property of the client comes before one of topics with the same name.
    private func rows(of name: String) -> [Row] {
        self.text.withCString { text in
            var (rows, rest): ([Row], _) = ([], text)
            while let found = strstr(rest, "\n\(name) ") {
                let line = String(decoding: UnsafeRawBufferPointer(start: found + 1, count: strcspn(found + 1, "\n")), as: UTF8.self)
                if let row = self.row(line[...].utf8) { rows.append(row) }
                rest = UnsafePointer(found + 1)
            }
            return rows
        }
    }

    /// What a second name stands for; none of a first one.
    func original(of name: String) -> String? {
        self.rows(of: name).lazy.compactMap { row in
            guard let mark = row.description.firstRange(of: "Alias for `") else { return nil }
            return String(row.description[mark.upperBound...].prefix { $0 != "`" })
        }.first
    }

    private struct Row {
        let name: String, range: String, description: Substring
    }

    private func row(_ line: Substring.UTF8View) -> Row? {
        let cells = line.split(separator: UInt8(ascii: "|"), maxSplits: 5, omittingEmptySubsequences: false)
        guard cells.count == 6 else { return nil }
        return Row(name: Self.trimmed(cells[0]), range: Self.trimmed(cells[2]), description: Substring(cells[5]))
    }

    /// - Returns: what is wrong with a value before librdkafka sees it; none if that is for librdkafka to say.
    func refusal(of name: String, _ value: String) -> String? {
        switch self[name] {
        case .function?: return "is set by programs, not by configurations; remove it"
        case .integer(let range)?: return Self.refusal(of: value, range, name, mayHaveFraction: false)
        case .real(let range)?: return Self.refusal(of: value, range, name, mayHaveFraction: true)
        default: return nil
        }
    }

    /// What to say when librdkafka has refused a value; none if its own words are the best there are.
    func explanation(of name: String, _ shown: String) -> String? {
        switch self[name] {
        case nil: return "no property of librdkafka has this name\(NearestName.hint(name, among: self.names))"
        case .choice(let words)?:
            return "expected one of \(words.joined(separator: ", ")), found \(shown)\(NearestName.hint(shown.unquoted, among: words))"
        case .flags(let words)?:
            return "expected some of \(words.joined(separator: ", ")), separated by commas, found \(shown)"
        case .boolean?: return "expected true or false, found \(shown)"
        case .integer(let range)?, .real(let range)?: return "expected \(Self.expectation(range, name)), found \(shown)"
        case .text?, .function?: return nil
        }
    }

    // MARK: Numbers

    private static func refusal(of value: String, _ range: ClosedRange<Int>?, _ name: String, mayHaveFraction: Bool) -> String? {
        // Some numbers have words too (`acks: all`): librdkafka knows them.
        if let first = value.utf8.first, (0x41...0x5A).contains(first) || (0x61...0x7A).contains(first) { return nil }
        let found = JSONText.quoted(value)
        guard let number = Self.number(value, mayHaveFraction: mayHaveFraction) else {
            return "expected \(Self.expectation(range, name)), found \(found)\(Self.remedy(value, range, name))"
        }
        guard let range, !(Double(range.lowerBound)...Double(range.upperBound)).contains(number) else { return nil }
        return "must be within \(range.lowerBound) to \(range.upperBound)\(Self.unit(name)), found \(found)"
    }

    /// Decimal digits only: `010` and `0x10` mean other numbers to librdkafka than to most people.
    private static func number(_ text: String, mayHaveFraction: Bool) -> Double? {
        let parts = (text.hasPrefix("-") ? text.dropFirst() : text[...]).split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 1 || mayHaveFraction && parts.count == 2 else { return nil }
        guard parts.allSatisfy({ !$0.isEmpty && $0.utf8.allSatisfy { (0x30...0x39).contains($0) } }) else { return nil }
        return parts[0].count > 1 && parts[0].hasPrefix("0") ? nil : Double(text)
    }

    private static func expectation(_ range: ClosedRange<Int>?, _ name: String) -> String {
        "a number" + (range.map { " from \($0.lowerBound) to \($0.upperBound)" } ?? "") + Self.unit(name)
    }

    /// What the number counts, where its name tells.
    private static func unit(_ name: String) -> String {
        if name.hasSuffix(".ms") { return " in milliseconds" }
        if name.hasSuffix("kbytes") { return " in kilobytes" }
        return name.hasSuffix("bytes") || name == "batch.size" ? " in bytes" : ""
    }

    /// A value with one of our units in librdkafka's terms.
    private static func remedy(_ value: String, _ range: ClosedRange<Int>?, _ name: String) -> String {
        let plain: Int? =
            switch Self.unit(name) {
            case " in milliseconds": DurationText.parse(value)
            case " in kilobytes": ByteCount.parse(value).map { $0 / 1024 }
            case " in bytes": ByteCount.parse(value)
            default: nil
            }
        guard let plain, range?.contains(plain) ?? true else { return "; librdkafka's properties take no units" }
        return "; librdkafka's properties take no units: write \(plain)"
    }

    // MARK: Reading the table

    private static func kind(range: String, description: Substring) -> Kind? {
        guard let mark = description.firstRange(of: "*Type: ") else {
            // A second name says only what it stands for; its range tells the rest.
            return description.contains("Alias for ") ? Self.kind(range: range) : nil
        }
        let type = description[mark.upperBound...].prefix { $0 != "*" }
        switch type {
        case "integer": return .integer(Self.bounds(range))
        case "float": return .real(Self.bounds(range))
        case "boolean": return .boolean
        case "enum value": return .choice(Self.words(range))
        case "CSV flags": return .flags(Self.words(range))
        case "see dedicated API": return .function
        default: return .text
        }
    }

    private static func kind(range: String) -> Kind {
        if let bounds = Self.bounds(range) { return .real(bounds) }
        return range == "true, false" ? .boolean : range.isEmpty ? .text : .choice(Self.words(range))
    }

    private static func bounds(_ range: String) -> ClosedRange<Int>? {
        guard let dots = range.firstRange(of: " .. "), let lower = Int(range[..<dots.lowerBound]),
            let upper = Int(range[dots.upperBound...]),
            lower <= upper
        else { return nil }
        return lower...upper
    }

    private static func words(_ range: String) -> [String] {
        range.utf8.split(separator: UInt8(ascii: ",")).map(Self.trimmed).filter { !$0.isEmpty }
    }

    private static func trimmed(_ text: Substring.UTF8View) -> String {
        let start = text.drop { $0 == UInt8(ascii: " ") }
        let end = start.lastIndex { $0 != UInt8(ascii: " ") }
        return end.map { String(Substring(start[...$0])) } ?? ""
    }

    private static func printed() -> String {
        var bytes: UnsafeMutablePointer<CChar>?
        var count = 0
        guard let stream = open_memstream(&bytes, &count) else { return "" }
        rd_kafka_conf_properties_show(stream)
        fclose(stream)
        defer { free(bytes) }
        return bytes.map { String(cString: $0) } ?? ""
    }
}

extension String {
    /// Without the quotes around it.
    fileprivate var unquoted: String { String(self.dropFirst().dropLast()) }
}
