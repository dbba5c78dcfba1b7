import ForebayTelemetry
import Glibc

/// Data to stdout, messages to stderr; colours only where a person looks and has not declined them.
///
/// What comes from elsewhere can't steer the terminal: whatever is printed, only our own colours and line breaks pass; and no colour that
/// stood in what comes from elsewhere is our own.
struct Terminal: Sendable {
    let isInputTerminal = isatty(0) == 1
    let isOutputTerminal = isatty(1) == 1
    let isErrorTerminal = isatty(2) == 1
    private let allowsColour: Bool

    init(environment: [String: String]) {
        self.allowsColour = environment["NO_COLOR", default: ""].isEmpty && environment["TERM"] != "dumb"
    }

    /// Writes text.
    func out(_ text: String) throws(CommandFailure) {
        try self.out(bytes: Array(Self.harmless(text).utf8))
    }

    /// Writes data, exactly.
    func out(bytes: [UInt8]) throws(CommandFailure) {
        guard Self.write(bytes, to: 1) else {
            throw CommandFailure(.failure, "cannot write to stdout: \(String(cString: strerror(errno)))")
        }
    }

    /// Writes a message and a line break.
    func message(_ text: String) {
        // Nobody is left to tell when stderr is gone.
        _ = Self.write(Array((Self.harmless(text) + "\n").utf8), to: 2)
    }

    /// Overwrites the line of progress; an empty text takes it away. Nothing where no person looks.
    func progress(_ text: String) {
        guard self.isErrorTerminal else { return }
        _ = Self.write(Array("\r\u{1B}[K\(Self.harmless(text))".utf8), to: 2)
    }

    enum Style: String, CaseIterable {
        case bold = "1"
        case red = "31"
        case green = "32"
        case yellow = "33"

        /// In a text, until it is printed: with a number that only this process knows, so that no text from elsewhere is styled.
        var begin: String { Self.mark(self.rawValue) }
        static let end = Self.mark("0")

        private static let secret = String(UInt64.random(in: 0...(.max)), radix: 16)
        private static func mark(_ code: String) -> String { "\u{1B}\(Self.secret)[\(code)m" }

        /// What a text begins with, if that is a mark of ours, and what it is for a terminal.
        static func leading(_ text: Substring.UnicodeScalarView) -> (mark: String, printed: String)? {
            for code in Self.allCases.map(\.rawValue) + ["0"] where text.starts(with: Self.mark(code).unicodeScalars) {
                return (Self.mark(code), "\u{1B}[\(code)m")
            }
            return nil
        }
    }

    /// For stdout.
    func styled(_ text: String, _ style: Style) -> String {
        self.isOutputTerminal && self.allowsColour ? style.begin + text + Style.end : text
    }

    func errorStyled(_ text: String, _ style: Style) -> String {
        self.isErrorTerminal && self.allowsColour ? style.begin + text + Style.end : text
    }

    /// Text with everything escaped that a terminal obeys, but line breaks, tabs and our own colours.
    static func harmless(_ text: String) -> String {
        if text.utf8.allSatisfy({ (0x20..<0x7F).contains($0) || $0 == 10 || $0 == 9 }) { return text }
        var result = ""
        var rest = text.unicodeScalars[...]
        while let scalar = rest.first {
            if scalar == "\u{1B}", let style = Style.leading(rest) {
                result += style.printed
                rest = rest.dropFirst(style.mark.unicodeScalars.count)
                continue
            }
            result += scalar == "\n" || scalar == "\t" ? String(scalar) : Self.escaped(scalar)
            rest = rest.dropFirst()
        }
        return result
    }

    /// Text from elsewhere as a part of a line: also without line breaks and colours.
    static func oneLine(_ text: String) -> String {
        text.unicodeScalars.map(Self.escaped).joined()
    }

    /// JSON from elsewhere, in which an escape means the same.
    static func harmless(json: String) -> String {
        // Outside of strings a carriage return is space, and it can't be inside.
        json.unicodeScalars.map { $0 == "\n" || $0 == "\t" ? String($0) : $0 == "\r" ? " " : Self.escaped($0) }.joined()
    }

    private static func escaped(_ scalar: Unicode.Scalar) -> String {
        guard scalar.isObeyed else { return String(scalar) }
        let digits = String(scalar.value, radix: 16)
        return "\\u" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    }

    private static func write(_ bytes: [UInt8], to file: Int32) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
            if count < 0 {
                if errno == EINTR { continue }
                return false
            }
            rest = rest.dropFirst(count)
        }
        return true
    }
}
