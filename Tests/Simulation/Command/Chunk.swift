import ForebayTestKit
import Foundation
import Simulation

/// Some rounds in a process of their own: killed nodes leave their memory behind, and a crash must not end the run.
///
/// What it writes, line by line: `at SEED` before a round, `trace SEED HASH` after it, `violation SEED TEXT`, and at the end `count N NAME`.
enum Chunk {
    static func run(_ seeds: Range<UInt64>) -> Never {
        var coverage = Coverage()
        for seed in seeds {
            self.write("at \(seed)\n")
            let outcome = Round(RoundPlan(seed: seed)).run()
            coverage.add(outcome.coverage)
            self.write("trace \(seed) \(String(outcome.traceHash, radix: 16))\n")
            if let violation = outcome.violations.first {
                self.write("violation \(seed) \(violation.replacingOccurrences(of: "\n", with: " "))\n")
            }
        }
        for (name, count) in coverage.counts.sorted(by: { $0.key < $1.key }) { self.write("count \(count) \(name)\n") }
        Profile.write()
        // At once: threads of killed nodes stand still for ever.
        _exit(0)
    }

    private static func write(_ text: String) {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { Foundation.write(STDOUT_FILENO, $0.baseAddress, $0.count) }
            guard count > 0 else { _exit(1) }
            bytes = bytes.dropFirst(count)
        }
    }
}

/// One round, for people.
enum Single {
    static func run(_ seed: UInt64, without: Set<Int>, isVerbose: Bool, isQuiet: Bool) -> Int32 {
        let plan = RoundPlan(seed: seed, without: without)
        if !isQuiet { print(plan) }
        var round = Round(plan)
        if isVerbose { round.tell = { print($0) } }
        let outcome = round.run()
        for violation in outcome.violations { print("violation: \(violation)") }
        if !isQuiet {
            print("trace \(String(outcome.traceHash, radix: 16)), \(outcome.acknowledged) events acknowledged, \(outcome.steps) jobs")
        }
        fflush(nil)
        Profile.write()
        _exit(outcome.violations.isEmpty ? 0 : 1)
    }
}

/// A build that counts lines writes its counts when a process ends properly, which these never do.
enum Profile {
    static func write() {
        #if PROFILED
            _ = writeProfile()
        #endif
    }
}

#if PROFILED
    @_silgen_name("__llvm_profile_write_file") private func writeProfile() -> CInt
#endif
