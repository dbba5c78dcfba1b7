import Glibc

/// Data to stdout, messages to stderr; colours only where a person looks and has not declined them.
struct Terminal: Sendable {
    let isInputTerminal = isatty(0) == 1
    let isOutputTerminal = isatty(1) == 1
    let isErrorTerminal = isatty(2) == 1
    private let allowsColour: Bool

    init(environment: [String: String]) {
        self.allowsColour = environment["NO_COLOR", default: ""].isEmpty && environment["TERM"] != "dumb"
    }

    /// Writes data, exactly.
    func out(_ text: String) throws(CommandFailure) {
        try self.out(bytes: Array(text.utf8))
    }

    func out(bytes: [UInt8]) throws(CommandFailure) {
        guard Self.write(bytes, to: 1) else {
            throw CommandFailure(.failure, "cannot write to stdout: \(String(cString: strerror(errno)))")
        }
    }

    /// Writes a message and a line break.
    func message(_ text: String) {
        // Nobody is left to tell when stderr is gone.
        _ = Self.write(Array((text + "\n").utf8), to: 2)
    }

    /// Overwrites the line of progress; an empty text takes it away. Nothing where no person looks.
    func progress(_ text: String) {
        guard self.isErrorTerminal else { return }
        _ = Self.write(Array("\r\u{1B}[K\(text)".utf8), to: 2)
    }

    enum Style: String {
        case bold = "1"
        case red = "31"
        case green = "32"
        case yellow = "33"
    }

    /// For stdout.
    func styled(_ text: String, _ style: Style) -> String {
        self.isOutputTerminal && self.allowsColour ? "\u{1B}[\(style.rawValue)m\(text)\u{1B}[0m" : text
    }

    func errorStyled(_ text: String, _ style: Style) -> String {
        self.isErrorTerminal && self.allowsColour ? "\u{1B}[\(style.rawValue)m\(text)\u{1B}[0m" : text
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
