@preconcurrency import Glibc

/// What a command knows of the process it runs in.
struct World: Sendable {
    let environment: [String: String]
    let terminal: Terminal
    let hostName: String

    init() {
        var environment: [String: String] = [:]
        var next = environ
        while let entry = next.pointee {
            let text = String(cString: entry)
            if let equals = text.firstIndex(of: "=") {
                environment[String(text[..<equals])] = String(text[text.index(after: equals)...])
            }
            next += 1
        }
        self.environment = environment
        self.terminal = Terminal(environment: environment)
        var name = [CChar](repeating: 0, count: 256)
        let isKnown = gethostname(&name, name.count - 1) == 0
        self.hostName = isKnown && name[0] != 0 ? name.withUnsafeBufferPointer { String(cString: $0.baseAddress!) } : "forebay"
    }
}
