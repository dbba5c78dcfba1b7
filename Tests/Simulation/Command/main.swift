import ForebayTestKit
import Foundation
import Simulation

// Tries the durability of a node in simulated rounds, from seeds. `dev/simulate` builds and starts it.

let usage = """
    usage: forebay-simulate [--rounds N] [--seed S] [--jobs J] [--seconds T]
           forebay-simulate --only S [--without 1,2,…] [--verbose]

      --rounds   how many rounds, with as many seeds from the first on; 2000
      --seed     the first seed; 1
      --jobs     processes at once; as many as there are cores
      --seconds  ends after so long, whatever is left
      --replays  rounds that are tried twice, in two processes, and must give the same trace; 40
      --only     one round: what it plans, and what goes wrong
      --without  parts of its plan to leave out
      --verbose  and what happens in it
      --any-coverage  a thing that was never hit is no failure
      --until-failure  ends with the first failure, and says after how many rounds it came
    """

var options = Options()
do {
    options = try Options(CommandLine.arguments.dropFirst())
} catch {
    FileHandle.standardError.write(Data("\(error)\n\(usage)\n".utf8))
    exit(64)
}
// Hashes are the same in every process only so, and with them the order of what is kept in sets.
if getenv("SWIFT_DETERMINISTIC_HASHING") == nil {
    setenv("SWIFT_DETERMINISTIC_HASHING", "1", 1)
    setenv("SWIFT_BACKTRACE", "enable=no", 1)
    var arguments = CommandLine.arguments.map { strdup($0) } + [nil]
    execv("/proc/self/exe", &arguments)
}
if let chunk = options.chunk {
    Chunk.run(chunk)
} else if let seed = options.only {
    exit(Single.run(seed, without: options.without, isVerbose: options.isVerbose, isQuiet: options.isQuiet))
} else {
    exit(Campaign(options).run())
}
