import ForebayCore

/// Finds the command in the table and reads its options and arguments, strictly.
struct ArgumentParser {
    private let root: CommandSpecification

    init(root: CommandSpecification) {
        self.root = root
    }

    /// - Parameter arguments: without the program's name.
    func parse(_ arguments: [String]) throws(UsageError) -> Invocation {
        var (command, path) = (self.root, [self.root.name])
        var rest = arguments[...]
        while case .group(let commands) = command.action {
            guard let word = rest.first else { return .help(command, path) }
            if word == "-h" || word == "--help" { return .help(command, path) }
            if word == "--version", path.count == 1 { return .version }
            if word == "help", path.count == 1 {
                rest = rest.dropFirst().filter { $0 != "-h" && $0 != "--help" } + ["--help"]
                continue
            }
            guard let next = commands.first(where: { $0.name == word }) else { throw Self.unknown(word, commands, path) }
            (command, path, rest) = (next, path + [next.name], rest.dropFirst())
        }
        if case .notYet = command.action {
            throw UsageError(message: "\(path.dropFirst().joined(separator: " ")) is not supported yet", command: [self.root.name])
        }
        guard let parsed = try Self.read(rest, command, path) else { return .help(command, path) }
        return .run(command, path, parsed)
    }

    private static func unknown(_ word: String, _ commands: [CommandSpecification], _ path: [String]) -> UsageError {
        let kind = word.hasPrefix("-") ? "option" : "command"
        let names = word.hasPrefix("-") ? ["--help", "--version"] : commands.filter { !$0.isHidden }.map(\.name)
        return UsageError(message: "unknown \(kind) \(word)\(NearestName.hint(word, among: names))", command: path)
    }

    /// - Returns: none where help was asked for.
    private static func read(
        _ words: ArraySlice<String>, _ command: CommandSpecification, _ path: [String]
    ) throws(UsageError) -> ParsedArguments? {
        var parsed = ParsedArguments()
        var rest = words
        var onlyArguments = false
        while let word = rest.popFirst() {
            if onlyArguments || word == "-" || !word.hasPrefix("-") {
                parsed.positional.append(word)
            } else if word == "--" {
                onlyArguments = true
            } else if word == "-h" || word == "--help" {
                return nil
            } else {
                try Self.option(word, &rest, command, path, &parsed)
            }
        }
        try Self.checkArguments(parsed.positional, command, path)
        return parsed
    }

    private static func option(
        _ word: String, _ rest: inout ArraySlice<String>, _ command: CommandSpecification, _ path: [String], _ parsed: inout ParsedArguments
    ) throws(UsageError) {
        let name = String(word.prefix { $0 != "=" })
        let joined = name.count < word.count ? String(word.dropFirst(name.count + 1)) : nil
        guard let option = command.options.first(where: { $0.name == name }) else {
            let hint = NearestName.hint(name, among: command.options.map(\.name) + ["--help"])
            throw UsageError(message: "unknown option \(name)\(hint)", command: path)
        }
        if parsed.has(name), !option.isRepeated { throw UsageError(message: "\(name) is given twice", command: path) }
        guard let placeholder = option.value else {
            guard joined == nil else { throw UsageError(message: "\(name) takes no value", command: path) }
            parsed.options[name] = []
            return
        }
        guard let value = joined ?? rest.popFirst() else {
            throw UsageError(message: "\(name) needs a value: \(name) \(placeholder)", command: path)
        }
        parsed.options[name, default: []].append(value)
    }

    private static func checkArguments(_ given: [String], _ command: CommandSpecification, _ path: [String]) throws(UsageError) {
        let needed = command.arguments.filter { !$0.isOptional }
        if given.count < needed.count {
            throw UsageError(message: "\(needed[given.count].name) is missing", command: path)
        }
        if given.count > command.arguments.count, command.arguments.last?.isRepeated != true {
            throw UsageError(message: "unexpected argument \(given[command.arguments.count])", command: path)
        }
    }
}
