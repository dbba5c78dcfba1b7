"""What is changed, what has to notice, and how much is enough."""

# A module, and the test targets that answer for it. A target that Package.swift does not have (yet) is left out, with a word.
MODULES = {
    "ForebayCore": ["ForebayCoreTests", "ForebaySpoolTests", "ForebayBufferTests", "SimulationTests"],
    "ForebaySpool": ["ForebaySpoolTests", "ForebayBufferTests", "SimulationTests"],
    "ForebayBuffer": ["ForebayBufferTests", "SimulationTests"],
    "ForebayDelivery": ["ForebayDeliveryTests", "SimulationTests"],
}
# Modules that are not changed mechanically, but that a patch may touch.
TESTS_OF_OTHERS = {"ForebayKafka": ["ForebayKafkaTests", "ForebayDeliveryTests"]}

# Calls that no test can miss: what only ends the process when we are wrong already, and what is only told to a developer. Warnings and
# errors are not among them: they are the alarms that operators are promised.
ARID_CALLS = {
    "precondition", "preconditionFailure", "assert", "assertionFailure", "fatalError",
    "logger.trace", "logger.debug", "logger.info", "logger.notice",
}

PATCHES = ("Tests/scenarios/planted", "Tests/mutations/known")
EQUIVALENTS = "docs/contributing/equivalent-mutants.md"
WORK = ".build/mutations"
# Where the files of the tests lie, the first that is there: in memory they don't wait for a disk.
SCRATCH = ("/dev/shm", "/tmp")

TOGETHER = ".build/debug/together.xctest"  # In the copy: the program with many mutants.
SWITCH = "MutantThatIsOn.swift"  # In each module of the copy: which of them is on.
FEW = 8  # Fewer than these are built one at a time.
JOBS = 2  # Mutants of it that are judged side by side.

COUNT = 200  # drawn at least
ENOUGH = 0.95  # killed, in each module

BUILD_TIMEOUT = 900
# A test hangs when it takes longer than this many seconds and times what it takes unchanged: the machine may be busy.
HANG_SECONDS, HANG_FACTOR = 20, 6
# Tests that take longer than this many seconds run after all others.
QUICK = 0.5
# A process of a changed program may not take the machine down.
MEMORY, FILE_SIZE = 4 << 30, 4 << 30
