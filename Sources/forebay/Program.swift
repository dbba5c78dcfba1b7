import ForebayConfig
import ForebayCore
import ForebayHTTP
import ForebayRuntime

/// From arguments to an exit code: parses, runs, and turns whatever was thrown into words.
enum Program {
    static func main(_ arguments: [String]) async -> ExitCode {
        let world = World()
        do {
            let files = OpenFiles.raiseLimit()
            if files < OpenFiles.fewest {
                throw CommandFailure(.failure, "this process may open \(files) files, and needs \(OpenFiles.fewest) at least (ulimit -n)")
            }
            switch try ArgumentParser(root: CommandTable.root).parse(arguments) {
            case .version:
                try world.terminal.out("forebay \(ForebayVersion.text)\n")
                return .ok
            case .help(let command, let path):
                try world.terminal.out(HelpText.text(command, path))
                return .ok
            case .run(let command, _, let parsed):
                guard case .run(let body) = command.action else { return .internalError }
                return try await body(parsed, world)
            }
        } catch {
            return Self.explain(error, world.terminal)
        }
    }

    private static func explain(_ error: any Error, _ terminal: Terminal) -> ExitCode {
        let mark = terminal.errorStyled("forebay:", .red)
        switch error {
        case let error as UsageError:
            terminal.message("\(mark) \(error.message)")
            terminal.message("Run '\(error.command.joined(separator: " ")) --help' for help.")
            return .usage
        case let error as CommandFailure:
            if !error.message.isEmpty { terminal.message("\(mark) \(error.message)") }
            return error.code
        case let error as ConfigurationInvalid:
            for problem in error.problems { terminal.message(problem.description) }
            let count = error.problems.count
            terminal.message("\(mark) the configuration is invalid: \(count) \(count == 1 ? "problem" : "problems")")
            return .configurationInvalid
        case let error as HTTPClientError:
            terminal.message("\(mark) \(error.message)")
            return Self.code(of: error)
        case let error as ForebayError:
            terminal.message("\(mark) \(error.description)")
            return .failure
        default:
            terminal.message("\(mark) internal error: \(error)")
            return .internalError
        }
    }

    private static func code(of error: HTTPClientError) -> ExitCode {
        switch error.kind {
        case .invalidURL: .usage
        case .notConnected, .connectionLost, .timedOut: .unavailable
        case .invalidRequest, .badAnswer: .failure
        }
    }
}
