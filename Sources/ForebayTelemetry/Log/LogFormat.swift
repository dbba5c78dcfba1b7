import Glibc

/// How lines look.
package enum LogFormat: String, Sendable, CaseIterable {
    /// `text` on a terminal, `json` otherwise.
    case auto
    case text
    /// One JSON object a line: `ts`, `level`, `logger`, `msg`, then the data.
    case json
}

/// A format with the terminal's questions answered.
enum LogStyle: Equatable {
    case text(colour: Bool)
    case json

    /// Colour needs a terminal that understands it, and a user who did not set `NO_COLOR` (https://no-color.org).
    static func resolve(_ format: LogFormat, isTerminal: Bool, environment: (String) -> String?) -> Self {
        switch format {
        case .json: return .json
        case .auto where !isTerminal: return .json
        case .auto, .text:
            let refused = environment("NO_COLOR").map { !$0.isEmpty } ?? false
            return .text(colour: isTerminal && !refused && environment("TERM") != "dumb")
        }
    }

    static func environment(_ name: String) -> String? {
        getenv(name).map { String(cString: $0) }
    }

    /// One line with its newline. No byte of the record can end the line or steer the terminal.
    func line(_ record: LogRecord, at milliseconds: Int64, repeated: LogFold.Repeats? = nil) -> [UInt8] {
        switch self {
        case .json: Self.json(record, at: milliseconds, repeated)
        case .text(let colour): Self.text(record, at: milliseconds, repeated, colour: colour)
        }
    }

    // MARK: JSON

    private static func json(_ record: LogRecord, at milliseconds: Int64, _ repeated: LogFold.Repeats?) -> [UInt8] {
        var json = JSONWriter()
        json.object {
            $0.field("ts", Timestamp.rfc3339(milliseconds))
            $0.field("level", record.level.rawValue)
            $0.field("logger", record.label)
            $0.field("msg", record.message)
            for field in record.data {
                // Two members of one name would be read differently by every store.
                let taken = ["ts", "level", "logger", "msg", "repeated", "various", "last"].contains(field.key)
                $0.field(taken ? "data." + field.key : field.key, field.value)
            }
            if let repeated {
                $0.field("repeated", repeated.count)
                if repeated.isVarious { $0.field("various", true) }
                $0.field("last", Timestamp.rfc3339(repeated.last))
            }
        }
        return json.bytes + [UInt8(ascii: "\n")]
    }

    // MARK: Text

    private static func text(_ record: LogRecord, at milliseconds: Int64, _ repeated: LogFold.Repeats?, colour: Bool) -> [UInt8] {
        var line = ""
        func paint(_ text: String, _ code: String) { line += colour ? "\u{1B}[\(code)m\(text)\u{1B}[0m" : text }
        paint(Timestamp.rfc3339(milliseconds), "2")
        line += " "
        paint(Self.word(record.level), Self.colour(record.level))
        line += " \(Self.visible(record.label)): \(Self.visible(record.message))"
        for field in record.data {
            line += " "
            paint(Self.visible(field.key) + "=", "2")
            line += Self.quoted(field.value)
        }
        if let repeated {
            let times = repeated.count == 1 ? "once more" : "\(repeated.count) times"
            paint(
                " (repeated \(times)\(repeated.isVarious ? " with other data" : ""), last at \(Timestamp.rfc3339(repeated.last)))", "2")
        }
        return Array(line.utf8) + [UInt8(ascii: "\n")]
    }

    private static func word(_ level: LogLevel) -> String {
        switch level {
        case .debug: "DEBUG"
        case .info: "INFO "
        case .warning: "WARN "
        case .error: "ERROR"
        }
    }

    private static func colour(_ level: LogLevel) -> String {
        switch level {
        case .debug: "2"
        case .info: "32"
        case .warning: "33"
        case .error: "1;31"
        }
    }

    /// In quotes where the value's end would not be seen otherwise.
    private static func quoted(_ value: String) -> String {
        let plain = !value.isEmpty && value.unicodeScalars.allSatisfy { $0 != " " && $0 != "\"" && $0 != "=" && $0 != "\\" && !$0.isObeyed }
        return plain ? value : "\"" + Self.visible(value, quotes: true) + "\""
    }

    private static func visible(_ text: String, quotes: Bool = false) -> String {
        guard text.unicodeScalars.contains(where: { $0.isObeyed || (quotes && ($0 == "\"" || $0 == "\\")) }) else { return text }
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\n": result += #"\n"#
            case "\r": result += #"\r"#
            case "\t": result += #"\t"#
            case "\"" where quotes, "\\" where quotes: result += "\\\(scalar)"
            case let scalar where scalar.isObeyed: result += "\\u{" + String(scalar.value, radix: 16) + "}"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}
