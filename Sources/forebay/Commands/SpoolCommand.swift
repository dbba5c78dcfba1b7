import ForebayCore
import ForebaySpool
import Glibc

/// `forebay spool ls|verify|dump DIR`: a spool seen from outside.
enum SpoolCommand {
    static let arguments = [CommandSpecification.Argument(name: "DIR", help: "The spool's folder, or the data_dir that it is in")]

    static func list(_ arguments: ParsedArguments, _ world: World) async throws -> ExitCode {
        let spool = try Self.open(arguments.positional[0])
        if arguments.has("--json") {
            try world.terminal.out(Self.json(spool))
            return .ok
        }
        var segments = TextTable(
            ("SEGMENT", .right), ("EVENTS", .right), ("FROM", .right), ("TO", .right), ("SIZE", .right), ("SEALED", .left), ("MADE", .left))
        for segment in spool.segments {
            segments.add(
                "\(segment.number)", Shown.count(Int(clamping: segment.end > segment.base ? segment.end - segment.base : 0)),
                "\(segment.base)",
                segment.end > segment.base ? "\(segment.end - 1)" : "-", Shown.bytes(segment.bytes), segment.isSealed ? "yes" : "no",
                Shown.time(segment.madeAt))
        }
        var text = segments.text { world.terminal.styled($0, .bold) }
        let end = spool.segments.last?.end ?? 0
        var cursors = TextTable(("CURSOR", .left), ("NEXT", .right), ("BEHIND", .right))
        for cursor in spool.cursors {
            cursors.add(cursor.name, "\(cursor.sequence)", Shown.count(end > cursor.sequence ? Int(clamping: end - cursor.sequence) : 0))
        }
        if !cursors.isEmpty { text += "\n" + cursors.text { world.terminal.styled($0, .bold) } }
        try world.terminal.out(text)
        return .ok
    }

    static func verify(_ arguments: ParsedArguments, _ world: World) async throws -> ExitCode {
        let path = arguments.positional[0]
        let isNode = try DataFolderInspection.isDataFolder(path)
        let verdict = try isNode ? DataFolderInspection(directory: path).verify() : Self.open(path).verify()
        if arguments.has("--json") {
            try world.terminal.out(Self.json(verdict))
        } else {
            for problem in verdict.problems { try world.terminal.out(TextTable.printable(Self.text(problem)) + "\n") }
            let counts = [
                "\(Shown.count(verdict.segments)) segments", "\(Shown.count(verdict.frames)) frames",
                "\(Shown.count(Int(clamping: verdict.events))) events", Shown.bytes(verdict.bytes),
            ]
            let text = counts.joined(separator: ", ")
            let result = verdict.problems.isEmpty ? world.terminal.styled("sound", .green) : world.terminal.styled("damaged", .red)
            try world.terminal.out("\(result): \(text)\n")
        }
        return verdict.problems.isEmpty ? .ok : .failure
    }

    static func dump(_ arguments: ParsedArguments, _ world: World) async throws -> ExitCode {
        let first = try arguments.number("--from") ?? 0
        var left = try arguments.limit() ?? .max
        let spool = try Self.open(arguments.positional[0])
        let routes = Self.routes(spool)
        var failure: CommandFailure?
        try spool.dump(from: first) { event, sequence, batch in
            do throws(CommandFailure) {
                try world.terminal.out(EventText.json(event, sequence: sequence, of: batch, routes: routes) + "\n")
            } catch {
                failure = error
            }
            left -= 1
            return failure == nil && left > 0
        }
        if let failure { throw failure }
        return .ok
    }

    /// The names of routes as cursors and the folders of side logs beside the spool have them.
    private static func routes(_ spool: SpoolInspection) -> [RouteID: String] {
        let cursors = spool.cursors.compactMap { $0.name.split(separator: "/", maxSplits: 1).dropFirst().first.map(String.init) }
        // For words alone: without them a route is shown by its number.
        let folders = ["setaside", "deadletters"].flatMap { (try? FolderEntries.names(of: "\(spool.directory)/../\($0)")) ?? [] }
        return Dictionary((folders + cursors).map { (RouteID(name: $0), $0) }) { $1 }
    }

    /// - Parameter path: the spool's own folder, or a node's data folder.
    private static func open(_ path: String) throws -> SpoolInspection {
        let inner = path + "/spool"
        let hasSegments = access(path + "/segments", F_OK) == 0
        return try SpoolInspection(directory: !hasSegments && access(inner, F_OK) == 0 ? inner : path)
    }

    private static func text(_ problem: SpoolInspection.Problem) -> String {
        let missing = problem.missing
        let range =
            switch missing.upperBound - missing.lowerBound {
            case 0: ""
            case 1: ": event \(missing.lowerBound) is missing"
            default: ": events \(missing.lowerBound) to \(missing.upperBound - 1) are missing"
            }
        return "\(problem.file) at \(problem.position): \(problem.reason)\(range)"
    }

    private static func json(_ spool: SpoolInspection) -> String {
        let segments = spool.segments.map { segment -> JSONValue in
            [
                "number": .number(segment.number), "file": .string(segment.file), "base": .number(segment.base),
                "end": .number(segment.end), "bytes": .number(segment.bytes), "sealed": .boolean(segment.isSealed),
                "made_at": .string(Shown.time(segment.madeAt)),
            ]
        }
        let cursors = spool.cursors.map { cursor -> JSONValue in ["name": .string(cursor.name), "sequence": .number(cursor.sequence)] }
        let document: JSONValue = ["segments": .array(segments), "cursors": .array(cursors)]
        return document.document
    }

    private static func json(_ verdict: SpoolInspection.Verdict) -> String {
        let problems = verdict.problems.map { problem -> JSONValue in
            [
                "file": .string(problem.file), "offset": .number(problem.position), "reason": .string(problem.reason),
                "missing_from": .number(problem.missing.lowerBound), "missing_count": .number(problem.missing.count),
            ]
        }
        let document: JSONValue = [
            "sound": .boolean(verdict.problems.isEmpty), "segments": .number(verdict.segments), "frames": .number(verdict.frames),
            "events": .number(verdict.events), "bytes": .number(verdict.bytes),
            "problems": .array(problems),
        ]
        return document.document
    }
}
