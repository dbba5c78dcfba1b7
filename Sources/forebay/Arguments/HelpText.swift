/// Help as text for a terminal and as Markdown, from the table of commands. Examples come first: they are what is read.
enum HelpText {
    static func text(_ command: CommandSpecification, _ path: [String]) -> String {
        var text = "\(command.summary)\n"
        if !command.details.isEmpty { text += "\n" + Self.wrapped(command.details, indent: "", width: 100) }
        if !command.examples.isEmpty {
            text += "\nExamples\n"
            for example in command.examples { text += "  # \(example.comment)\n  \(example.command)\n" }
        }
        text += "\nUsage\n  \(Self.usage(command, path))\n"
        text += Self.list("Commands", command.subcommands.filter { !$0.isHidden }.map { ($0.name, $0.summary) })
        text += Self.list("Arguments", command.arguments.map { ($0.name, $0.help) })
        text += Self.list("Options", Self.options(command, path).map { (Self.form($0), $0.help) })
        if path.count == 1 {
            text += Self.list("Exit codes", Self.codes)
            text += "\nRun '\(path[0]) COMMAND --help' for a command's own options.\n"
        }
        return text
    }

    /// The page docs/reference/cli.md.
    static func reference(_ root: CommandSpecification) -> String {
        var text = """
            <!-- Made by `dev/docs` from Sources/forebay/Commands/CommandTable.swift. Edit there. -->
            # Command line

            Data goes to stdout, messages to stderr. Colours appear on a terminal only, and not where `NO_COLOR` is set. Every command takes
            `--help`. Secrets are never taken as an option's value, because everyone on the machine can read a command line.

            | exit code | means |
            |---|---|

            """
        for (code, meaning) in Self.codes { text += "| \(code) | \(meaning) |\n" }
        text += "\n" + Self.section(root, [root.name])
        return text
    }

    private static let codes = [
        ("0", "done"), ("1", "it failed, or a check found something"), ("64", "the command line can't be understood"),
        ("69", "something that is needed can't be reached"), ("70", "a mistake of ours, or a disk that failed: starting again mends"),
        ("77", "root would write into the data folder of another user's node"), ("78", "the configuration is invalid"),
    ]

    private static func section(_ command: CommandSpecification, _ path: [String]) -> String {
        var text = ""
        if path.count > 1 {
            text += "## \(path.joined(separator: " "))\n\n"
            text += command.summary + ".\n\n"
            if !command.details.isEmpty { text += command.details + "\n\n" }
            if command.subcommands.isEmpty {
                text += "```\n\(Self.usage(command, path))\n```\n\n"
                let rows = command.arguments.map { ($0.name, $0.help) } + command.options.map { (Self.form($0), $0.help) }
                if !rows.isEmpty {
                    text += "| | |\n|---|---|\n" + rows.map { "| `\($0.0)` | \($0.1) |\n" }.joined() + "\n"
                }
                if !command.examples.isEmpty {
                    text += "```sh\n" + command.examples.map { "# \($0.comment)\n\($0.command)\n" }.joined() + "```\n\n"
                }
            }
        }
        let commands = command.subcommands.filter { !$0.isHidden }
        text += commands.map { Self.section($0, path + [$0.name]) }.joined()
        return text
    }

    private static let widest = 190

    private static func usage(_ command: CommandSpecification, _ path: [String]) -> String {
        var words = path
        if !command.subcommands.isEmpty { words.append("COMMAND") }
        for argument in command.arguments {
            let name = argument.name + (argument.isRepeated ? " …" : "")
            words.append(argument.isOptional ? "[\(name)]" : name)
        }
        let options = command.options.map { "[\(Self.form($0))\($0.isRepeated ? " …" : "")]" }
        let line = (words + options).joined(separator: " ")
        // Nobody reads so many in a line; they are told below it.
        return line.count <= Self.widest ? line : (words + ["[OPTION …]"]).joined(separator: " ")
    }

    private static func options(_ command: CommandSpecification, _ path: [String]) -> [CommandSpecification.Option] {
        var options = command.options + [CommandSpecification.Option(name: "--help", value: nil, help: "Show this")]
        if path.count == 1 { options.append(CommandSpecification.Option(name: "--version", value: nil, help: "Show the version")) }
        return options
    }

    private static func form(_ option: CommandSpecification.Option) -> String {
        option.value.map { "\(option.name) \($0)" } ?? option.name
    }

    private static func list(_ title: String, _ rows: [(String, String)]) -> String {
        guard let width = rows.map({ $0.0.count }).max() else { return "" }
        var text = "\n\(title)\n"
        for (name, help) in rows {
            let indent = String(repeating: " ", count: width + 4)
            let words = Self.wrapped(help, indent: indent, width: 100)
            text += "  " + name + String(repeating: " ", count: width - name.count) + "  " + words.dropFirst(indent.count)
        }
        return text
    }

    private static func wrapped(_ text: String, indent: String, width: Int) -> String {
        var (result, line) = ("", indent)
        for word in text.split(separator: " ") {
            if line.count + word.count + 1 > width, line != indent {
                result += line + "\n"
                line = indent
            }
            line += (line == indent ? "" : " ") + word
        }
        return result + line + "\n"
    }
}
