import ForebayTestKit
import Foundation
import Simulation
import Synchronization

/// Many rounds, in processes side by side; then what was reached, and for what failed the shortest history.
final class Campaign: Sendable {
    private struct Results {
        var coverage = Coverage()
        var failures: [(seed: UInt64, what: String)] = []
        var traces: [UInt64: String] = [:]
        var done = 0
        var next: UInt64
    }

    private let options: Options
    private let results: Mutex<Results>
    private let began = Date()
    private static let chunkSize: UInt64 = 100

    init(_ options: Options) {
        self.options = options
        self.results = Mutex(Results(next: options.seed))
    }

    /// - Returns: the exit code.
    func run() -> Int32 {
        if self.options.untilFailure { return self.runUntilFailure() }
        let end = self.options.seed + UInt64(self.options.rounds)
        self.inParallel {
            while let seeds = self.nextChunk(before: end) { self.tryChunk(seeds) }
        }
        let (coverage, failures, done) = self.results.withLock { ($0.coverage, $0.failures, $0.done) }
        for (name, count) in coverage.counts.sorted(by: { $0.key < $1.key }) { print("\(String(count).leftPadded(to: 10))  \(name)") }
        let seconds = -self.began.timeIntervalSinceNow
        print(
            "\(done) rounds in \(Int(seconds)) s, \(Int(Double(done) / max(seconds, 0.001) * 60)) a minute; seeds from \(self.options.seed)"
        )
        self.tellVerdict(coverage, failures)
        let isReplayed = self.replay()
        for failure in failures.sorted(by: { $0.seed < $1.seed }) { print("seed \(failure.seed): \(failure.what)") }
        // One of each kind: what is told, without its numbers.
        let kinds = Dictionary(grouping: failures) { Self.kind($0.what) }
        for failure in kinds.values.compactMap({ $0.min { $0.seed < $1.seed } }).sorted(by: { $0.seed < $1.seed }).prefix(8) {
            self.explain(failure.seed, failure.what)
        }
        if failures.count > 0 {
            print("\(failures.count) rounds failed: \(failures.map { String($0.seed) }.sorted().joined(separator: " "))")
        }
        let missing = coverage.missing(of: Round.required)
        if !missing.isEmpty { print("never hit: \(missing.joined(separator: "; "))") }
        if !failures.isEmpty || !isReplayed { return 1 }
        return missing.isEmpty || !self.options.needsCoverage ? 0 : 2
    }

    /// What the promises come down to: images that power cuts and kills left, and what became of what was acknowledged.
    private func tellVerdict(_ coverage: Coverage, _ failures: [(seed: UInt64, what: String)]) {
        func count(_ name: String) -> Int { coverage.counts[name, default: 0] }
        let kinds = Dictionary(grouping: failures) { Verdict(of: $0.what) }.mapValues(\.count)
        print(
            "\(count("events acknowledged")) events acknowledged, \(count("end: powerCut")) power cuts, \(count("end: kill")) kills,"
                + " \(count("end: ended")) clean stops")
        print("rounds with " + Verdict.allCases.map { "\($0.rawValue): \(kinds[$0, default: 0])" }.joined(separator: ", "))
    }

    /// - Returns: the exit code: 1 when a round failed.
    private func runUntilFailure() -> Int32 {
        let end = self.options.seed + UInt64(self.options.rounds)
        self.inParallel {
            while self.results.withLock({ $0.failures.isEmpty }), let seeds = self.nextChunk(before: end) { self.tryChunk(seeds) }
        }
        let (failures, done) = self.results.withLock { ($0.failures, $0.done) }
        guard let first = failures.min(by: { $0.seed < $1.seed }) else {
            print("nothing found in \(done) rounds")
            return 0
        }
        print("found after \(first.seed - self.options.seed + 1) rounds, seed \(first.seed): \(first.what)")
        return 1
    }

    private func inParallel(_ body: @escaping @Sendable () -> Void) {
        let threads = (0..<self.options.jobs).map { _ in Worker(body) }
        for thread in threads { thread.wait() }
    }

    private func nextChunk(before end: UInt64) -> Range<UInt64>? {
        if self.options.seconds > 0, -self.began.timeIntervalSinceNow > Double(self.options.seconds) { return nil }
        return self.results.withLock { results in
            guard results.next < end else { return nil }
            let first = results.next
            results.next = min(end, first + (self.options.untilFailure ? Self.chunkSize / 4 : Self.chunkSize))
            return first..<results.next
        }
    }

    private func tryChunk(_ seeds: Range<UInt64>) {
        var rest = seeds
        while !rest.isEmpty {
            let (output, status) = Self.child(["--chunk", String(rest.lowerBound), String(rest.count)])
            let last = self.take(output)
            guard status != 0 else { return }
            guard let last else { return self.results.withLock { $0.failures.append((rest.lowerBound, "the process does not start")) } }
            self.results.withLock { $0.failures.append((last, "the process crashed (\(status))")) }
            rest = last + 1..<rest.upperBound
        }
    }

    /// - Returns: the seed that was tried last.
    private func take(_ output: String) -> UInt64? {
        var last: UInt64?
        self.results.withLock { results in
            for line in output.split(separator: "\n") {
                let words = line.split(separator: " ", maxSplits: 2)
                guard words.count >= 2, let number = UInt64(words[1]) else { continue }
                switch words[0] {
                case "at": last = number
                case "trace":
                    results.done += 1
                    results.traces[number] = String(words[2])
                case "violation":
                    results.failures.append((number, String(words[2])))
                    // At once, for a run may take hours.
                    FileHandle.standardError.write(Data("seed \(number): \(words[2])\n".utf8))
                case "count": results.coverage.hit(String(words[2]), Int(number))
                default: continue
                }
            }
        }
        return last
    }

    /// The same seeds once more, in another process.
    private func replay() -> Bool {
        guard self.options.replays > 0 else { return true }
        let (output, _) = Self.child(["--chunk", String(self.options.seed), String(min(self.options.replays, self.options.rounds))])
        var differing: [String] = []
        var same = 0
        let traces = self.results.withLock { $0.traces }
        for line in output.split(separator: "\n") {
            let words = line.split(separator: " ")
            guard words.count == 3, words[0] == "trace", let seed = UInt64(words[1]), let before = traces[seed] else { continue }
            if before == words[2] { same += 1 } else { differing.append(String(words[1])) }
        }
        if !differing.isEmpty { print("another trace in another process: seeds \(differing.joined(separator: " "))") }
        print("\(same) rounds gave the same trace in another process")
        return differing.isEmpty
    }

    // MARK: Failures

    /// Prints what failed, with as little of the plan as still fails.
    private func explain(_ seed: UInt64, _ what: String) {
        print("\nseed \(seed): \(what)")
        var without: Set<Int> = []
        var attempts = 0
        func fails(_ without: Set<Int>) -> Bool {
            attempts += 1
            let (output, status) = Self.single(seed, without)
            let found = output.split(separator: "\n").first { $0.hasPrefix("violation: ") }?.dropFirst(11)
            return status != 0 && Self.kind(found.map(String.init) ?? "the process crashed") == Self.kind(what)
        }
        var left = Array(1...max(1, RoundPlan(seed: seed).items))
        var size = max(1, left.count / 2)
        while size >= 1, attempts < 400 {
            var start = 0
            while start < left.count, attempts < 400 {
                let part = left[start..<min(start + size, left.count)]
                if fails(without.union(part)) {
                    without.formUnion(part)
                    left.removeSubrange(start..<min(start + size, left.count))
                } else {
                    start += size
                }
            }
            size = size == 1 ? 0 : max(1, size / 2)
        }
        let list = Self.list(without)
        print(Self.single(seed, without, isQuiet: false).output)
        print("again: dev/simulate --only \(seed)\(list.isEmpty ? "" : " --without \(list)") --verbose")
    }

    private static func single(_ seed: UInt64, _ without: Set<Int>, isQuiet: Bool = true) -> (output: String, status: Int32) {
        var arguments = ["--only", String(seed)]
        if !without.isEmpty { arguments += ["--without", Self.list(without)] }
        return Self.child(arguments + (isQuiet ? ["--quiet"] : []))
    }

    /// What is wrong, without its numbers: the same fault with less of the plan tells other ones.
    private static func kind(_ what: String) -> String { String(what.filter { !$0.isNumber }.replacing("-", with: "").prefix(34)) }

    /// `1-5,7`.
    private static func list(_ numbers: Set<Int>) -> String {
        var runs: [ClosedRange<Int>] = []
        for number in numbers.sorted() {
            if let last = runs.last, last.upperBound == number - 1 {
                runs[runs.count - 1] = last.lowerBound...number
            } else {
                runs.append(number...number)
            }
        }
        return runs.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }.joined(separator: ",")
    }

    private static func child(_ arguments: [String]) -> (output: String, status: Int32) {
        let process = Process()
        let pipe = Pipe()
        process.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        process.arguments = arguments
        process.standardOutput = pipe
        process.standardError = FileHandle.nullDevice
        do { try process.run() } catch { return ("", 127) }
        let output = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return (String(decoding: output, as: UTF8.self), process.terminationStatus)
    }
}

/// A thread of its own: what it does waits for processes.
private final class Worker: Sendable {
    private let done = DispatchSemaphore(value: 0)

    init(_ body: @escaping @Sendable () -> Void) {
        let done = self.done
        Thread.detachNewThread {
            body()
            done.signal()
        }
    }

    func wait() { self.done.wait() }
}

extension String {
    func leftPadded(to width: Int) -> String { String(repeating: " ", count: max(0, width - self.count)) + self }
}
