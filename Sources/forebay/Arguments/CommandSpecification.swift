/// One command as the table has it: the parser, the help and docs/reference/cli.md are made from this.
struct CommandSpecification: Sendable {
    struct Option: Sendable {
        /// With its dashes.
        let name: String
        /// What stands behind it; none: a switch.
        let value: String?
        var isRepeated = false
        let help: String
    }

    struct Argument: Sendable {
        let name: String
        var isOptional = false
        var isRepeated = false
        let help: String
    }

    struct Example: Sendable {
        let command: String
        let comment: String
    }

    enum Action: Sendable {
        case group([CommandSpecification])
        case run(@Sendable (ParsedArguments, World) async throws -> ExitCode)
        /// In the contract, not in this version.
        case notYet
    }

    let name: String
    /// One line for the list of commands.
    let summary: String
    /// More, in whole sentences.
    var details = ""
    var arguments: [Argument] = []
    var options: [Option] = []
    var examples: [Example] = []
    /// Left out of help and docs.
    var isHidden = false
    let action: Action

    var subcommands: [CommandSpecification] {
        if case .group(let commands) = self.action { commands } else { [] }
    }
}

/// What stood on the command line, checked against a specification.
struct ParsedArguments: Sendable {
    var positional: [String] = []
    var options: [String: [String]] = [:]

    /// The last one given.
    func value(_ option: String) -> String? { self.options[option]?.last }
    func values(_ option: String) -> [String] { self.options[option] ?? [] }
    func has(_ option: String) -> Bool { self.options[option] != nil }
}

/// A command line that can't be understood.
struct UsageError: Error {
    let message: String
    /// The words of the command whose help to read.
    let command: [String]
}

/// What a command line asks for.
enum Invocation {
    case run(CommandSpecification, [String], ParsedArguments)
    case help(CommandSpecification, [String])
    case version
}
