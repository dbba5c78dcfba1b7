import Foundation

struct Options {
    struct Unknown: Error, CustomStringConvertible { let description: String }

    var rounds = 2000
    var seed: UInt64 = 1
    var jobs = ProcessInfo.processInfo.activeProcessorCount
    var seconds = 0
    var replays = 40
    var only: UInt64?
    var without: Set<Int> = []
    var isVerbose = false
    var isQuiet = false
    var needsCoverage = true
    /// Ends at the first failure, and says only after how many rounds.
    var untilFailure = false
    /// For the command's own processes: seeds of one of them.
    var chunk: Range<UInt64>?

    init() {}

    init(_ arguments: ArraySlice<String>) throws {
        var rest = arguments
        func value(_ name: String) throws -> String {
            guard let value = rest.popFirst() else { throw Unknown(description: "\(name) takes a value") }
            return value
        }
        func number(_ name: String) throws -> UInt64 {
            let text = try value(name)
            guard let number = UInt64(text) else { throw Unknown(description: "\(name) takes a number, not \(text)") }
            return number
        }
        while let name = rest.popFirst() {
            switch name {
            case "--rounds": self.rounds = Int(clamping: try number(name))
            case "--seed": self.seed = try number(name)
            case "--jobs": self.jobs = max(1, Int(clamping: try number(name)))
            case "--seconds": self.seconds = Int(clamping: try number(name))
            case "--replays": self.replays = Int(clamping: try number(name))
            case "--only": self.only = try number(name)
            case "--without":
                for run in try value(name).split(separator: ",") {
                    let ends = run.split(separator: "-").compactMap { Int($0) }
                    guard let first = ends.first, let last = ends.last, first <= last else {
                        throw Unknown(description: "not a list: \(run)")
                    }
                    self.without.formUnion(first...last)
                }
            case "--verbose": self.isVerbose = true
            case "--quiet": self.isQuiet = true
            case "--until-failure": self.untilFailure = true
            case "--any-coverage": self.needsCoverage = false
            case "--chunk":
                let first = try number(name)
                self.chunk = first..<first + (try number(name))
            default: throw Unknown(description: "unknown option \(name)")
            }
        }
    }
}
