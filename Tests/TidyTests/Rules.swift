/// What a rule found. Its text is what the developer reads.
struct Violation: Equatable, CustomStringConvertible {
    let path: String
    let line: Int
    let reason: String
    var description: String { "\(self.path):\(self.line): \(self.reason)" }
}

/// The house rules that a machine can check; docs/explanation/architecture.md has the reasons of some. Each takes one file.
///
/// They are examples of taste, not gates to game: where a rule makes the code worse, the file is excused in ``Excuses`` with its reason.
enum Rules {
    static let all: [@Sendable (SourceFile) -> [Violation]] = [
        Self.imports, Self.unboundedStreams, Self.sleepingTests, Self.uncheckedSendable, Self.silentTry, Self.foundation, Self.length,
        Self.width, Self.wrappedClosures, Self.throwingOnCallersActor, Self.stateFiles, Self.traps, Self.surroundings,
        Self.storedProperties, Self.paths,
    ]

    /// Imports point down, siblings never import each other, each C library has one importer.
    static func imports(_ file: SourceFile) -> [Violation] {
        Self.importedModules(file).compactMap { line, module in
            if file.isTest {
                // A target's own tests may use its C library to build what it shall refuse; nobody else's may.
                guard let door = Layers.doors[module], file.target != door + "Tests" else { return nil }
                return Violation(path: file.path, line: line, reason: "\(module) has one importer, \(door)")
            }
            guard module != "Foundation" else { return nil }  // Its own rule.
            return Layers.refusal(of: module, in: file.target).map { Violation(path: file.path, line: line, reason: $0) }
        }
    }

    /// Events travel over `Link`s. A stream that buffers without a bound is allowed nowhere; one that keeps the newest signal is no queue.
    static func unboundedStreams(_ file: SourceFile) -> [Violation] {
        guard !file.isTest, !file.lineNumbers(with: "Stream").isEmpty else { return [] }
        let code = file.code.joined(separator: "\n")
        let made = code.matches(
            of: /(?<arrow>(->|:|any|some|<|\()\s*)?\bAsync(Throwing)?Stream(<[^{}()]*>)?(?<maker>\.makeStream)?\s*(?<opening>[({])/
                .wordBoundaryKind(.simple))
        return made.compactMap { match in
            let isBrace = match.opening == "{"
            if isBrace, match.arrow != nil { return nil }  // The type of a function or a property, whose body begins here.
            let rest = code[match.range.upperBound...]
            let arguments = isBrace ? "" : Self.upToClosing(rest)
            if arguments.contains("unfolding") && match.maker == nil { return nil }
            if arguments.contains(/bufferingPolicy:\s*\.bufferingNewest\(1\)/) { return nil }
            let line = code[..<match.range.lowerBound].count { $0 == "\n" } + 1
            return Violation(
                path: file.path, line: line, reason: "a stream without a bound; use a Link, or bufferingNewest(1) for a signal")
        }
    }

    /// A test that sleeps is slow when lucky and red when not: wait for a signal, or drive a manual clock.
    static func sleepingTests(_ file: SourceFile) -> [Violation] {
        guard file.isTest || file.target == Layers.testKit, Excuses.sleeping[file.path] == nil else { return [] }
        return file.lineNumbers(withWord: ["sleep", "usleep", "nanosleep"])
            .filter { !file.code[$0 - 1].contains("func sleep(") }  // A clock of our own.
            .map { Violation(path: file.path, line: $0, reason: "tests don't sleep") }
    }

    /// A closure that is a Mutex's value, or part of its tuple, is wrapped anew at each look: calls get slower and deeper until the stack ends.
    static func wrappedClosures(_ file: SourceFile) -> [Violation] {
        file.lineNumbers(with: "Mutex<(").filter { file.code[$0 - 1].contains("->") }
            .map { Violation(path: file.path, line: $0, reason: "a closure as a Mutex's value; put it in a struct, or use Wake") }
    }

    /// Swift 6.3.1 (swiftlang/swift#88259) lets a function that runs on its caller's actor throw from another thread: the caller's
    /// `catch` runs there. Such a one returns a `Result`, or takes `isolation: isolated (any Actor)? = #isolation`.
    static func throwingOnCallersActor(_ file: SourceFile) -> [Violation] {
        let code = file.code.joined(separator: "\n")
        let throwing = code.matches(of: /nonisolated\(nonsending\)[^{}]*?\basync\s+throws\b/)
        return throwing.map { match in
            let line = code[..<match.range.lowerBound].count { $0 == "\n" } + 1
            return Violation(path: file.path, line: line, reason: "it may throw from another thread than its caller's actor's")
        }
    }

    /// `@unchecked Sendable` says why it is safe.
    static func uncheckedSendable(_ file: SourceFile) -> [Violation] {
        file.lineNumbers(with: "@unchecked Sendable")
            .filter { number in
                let isReason: (String) -> Bool = { $0.contains("Safe because:") }
                let below = number < file.comments.count && isReason(file.comments[number])  // The first line of the body.
                return !below && !file.hasComment(at: number, matching: isReason)
            }
            .map { Violation(path: file.path, line: $0, reason: "@unchecked Sendable without '// Safe because:'") }
    }

    /// `try?` throws a reason away, so it gives one.
    static func silentTry(_ file: SourceFile) -> [Violation] {
        guard !file.isTest else { return [] }
        return file.lineNumbers(with: "try?")
            .filter { file.code[$0 - 1].firstMatch(of: /(^|[^\w])try\?/) != nil }  // Not `Entry?`.
            .filter { !file.hasComment(at: $0) }
            .map { Violation(path: file.path, line: $0, reason: "try? without a reason beside it") }
    }

    /// Foundation costs memory and start-up time; the server does without.
    static func foundation(_ file: SourceFile) -> [Violation] {
        guard !file.isTest, Excuses.foundation[file.target] == nil else { return [] }
        return Self.importedModules(file).filter { $0.module.hasPrefix("Foundation") }
            .map { Violation(path: file.path, line: $0.line, reason: "Foundation stays out of the server") }
    }

    /// Small pages.
    static func length(_ file: SourceFile) -> [Violation] {
        let count = file.lines.count - (file.lines.last?.isEmpty == true ? 1 : 0)
        guard count > Self.longest else { return [] }
        return [Violation(path: file.path, line: Self.longest + 1, reason: "\(count) lines, \(Self.longest) at most")]
    }

    static let longest = 300

    /// State in small parts, each with what must hold in it: of a class, an actor, or a struct that is named as a state.
    static func storedProperties(_ file: SourceFile) -> [Violation] {
        guard file.path.hasPrefix("Sources/") else { return [] }
        return StoredProperties.owners(in: file).compactMap { owner in
            guard owner.count > Self.mostStored else { return nil }
            return Violation(
                path: file.path, line: owner.line,
                reason: "\(owner.name) has \(owner.count) stored properties, \(Self.mostStored) at most; part it")
        }
    }

    static let mostStored = 12

    /// A comment that names a file names one that is there.
    static func paths(_ file: SourceFile) -> [Violation] {
        Pages.missingPaths(file.path, file.comments, Tree.entries)
    }

    /// The formatter leaves comments alone, so the columns are counted here. What stands in a string does not count: a message that
    /// somebody searches for is better found whole.
    static func width(_ file: SourceFile) -> [Violation] {
        guard !file.isTest else { return [] }
        return file.lines.indices.filter { file.lines[$0].utf8.count > 140 && file.lines[$0].count > 140 }
            .filter { file.comments[$0].contains("//") || file.code[$0].replacing(/" *"/, with: "").count > 140 }
            .map { Violation(path: file.path, line: $0 + 1, reason: "\(file.lines[$0].count) columns, 140 at most") }
    }

    /// A struct that decides: no `async`, no clock, no I/O.
    static func stateFiles(_ file: SourceFile) -> [Violation] {
        guard !file.isTest, file.name.hasSuffix("State.swift") else { return [] }
        let waiting: Set<String> = ["async", "await", "Task"]
        let clocks: Set<String> = ["ContinuousClock", "SuspendingClock", "MonotonicClock", "WallClock", "Timestamp"]
        let effects = file.lineNumbers(withWord: waiting.union(clocks).union(["Logger"]))
            .map { Violation(path: file.path, line: $0, reason: "a state file only decides") }
        let imports = Self.importedModules(file).filter { ["Glibc", "Foundation"].contains($0.module) }
            .map { Violation(path: file.path, line: $0.line, reason: "a state file does no I/O") }
        return effects + imports
    }

    /// Bytes from outside never end the process; our own mistakes end it with a `precondition` that says which.
    static func traps(_ file: SourceFile) -> [Violation] {
        guard !file.isTest, file.target != Layers.testKit else { return [] }
        return (file.lineNumbers(with: "fatalError(") + file.lineNumbers(with: "try!"))
            .map { Violation(path: file.path, line: $0, reason: "answer for their mistakes, use precondition for ours") }
    }

    /// What keeps events safe takes time, chance and threads from its `Surroundings`, so that a simulation can decide all of it.
    static func surroundings(_ file: SourceFile) -> [Violation] {
        guard Self.simulated.contains(where: { file.path.hasPrefix("Sources/\($0)/") }) else { return [] }
        let outside: Set<String> = [
            "WallClock", "MonotonicClock", "ContinuousClock", "SuspendingClock", "SystemRandomNumberGenerator", "EventLoop",
            "ThreadExecutor",
        ]
        let code = file.code.joined(separator: "\n")
        let bareTasks = code.matches(
            of: /\bTask\s*(\.(detached|immediate)\s*)?(\{|\((?!preferring:))/.wordBoundaryKind(.simple))
        let bareChance = code.matches(of: /\.(random|randomElement|shuffled?)\(/)
            .filter { !Self.upToClosing(code[$0.range.upperBound...]).contains("using:") }
        let calls = (bareTasks.map(\.range) + bareChance.map(\.range)).map { code[..<$0.lowerBound].count { $0 == "\n" } + 1 }
        return Set(file.lineNumbers(withWord: outside) + file.lineNumbers(with: "Task.sleep") + calls).sorted()
            .map { Violation(path: file.path, line: $0, reason: "it comes from outside: take it from the surroundings") }
    }

    /// What can run in a simulation, by folder.
    private static let simulated = ["ForebaySpool", "ForebayDelivery", "ForebayBuffer", "ForebayCore/Supervision", "ForebayCore/Link"]

    // MARK: Tools

    static func importedModules(_ file: SourceFile) -> [(line: Int, module: String)] {
        let before: Set<Substring> = ["package", "public", "internal", "fileprivate", "private"]
        let kinds: Set<Substring> = ["struct", "class", "enum", "protocol", "func", "var", "let", "typealias"]
        return file.lineNumbers(with: "import ").compactMap { number in
            let words = file.code[number - 1].split(separator: " ").drop { $0.hasPrefix("@") || before.contains($0) }
            guard words.first == "import", let name = words.dropFirst().drop(while: { kinds.contains($0) }).first else { return nil }
            return (number, String(name.prefix { $0 != "." }))
        }
    }

    /// The text up to the bracket that closes one opened just before it.
    private static func upToClosing(_ text: Substring) -> Substring {
        var depth = 1
        let end = text.firstIndex { character in
            if "({[".contains(character) { depth += 1 }
            if ")}]".contains(character) { depth -= 1 }
            return depth == 0
        }
        return text[..<(end ?? text.endIndex)]
    }
}
