import ForebayCore
import ForebayDelivery
import ForebayKafka
import ForebayNet
import ForebaySpool
import ForebayTelemetry
import ForebayTestKit
import Glibc

// DrainBenchmark BOOTSTRAP TOPIC N SIZE [property=value …]: the forward stage from memory to a cluster, with peers/producer.c's events.
let arguments = CommandLine.arguments
guard arguments.count >= 5, let total = UInt64(arguments[3]), let size = Int(arguments[4]) else {
    print("DrainBenchmark BOOTSTRAP TOPIC N SIZE [property=value …]")
    exit(64)
}
var properties = ["bootstrap.servers": arguments[1]]
var configuration = DeliverySettings()
var window = 32 << 20
for pair in arguments[5...] {
    let parts = pair.split(separator: "=", maxSplits: 1).map(String.init)
    switch parts[0] {
    case "partition.window": configuration.partitionWindow = Int(parts[1])!
    case "window": window = Int(parts[1])!
    case "queue": configuration.queueLimit = Int(parts[1])!
    default: properties[parts[0]] = parts[1]
    }
}
let perBatch = 4000
let value = String(repeating: "x", count: size)
var generator = SystemRandomNumberGenerator()
let spool = SpoolID.random(using: &generator)
let template = EventFactory.batch(
    (0..<perBatch).map { number in
        let digits = String(number % 1000)
        let key = "k" + String(repeating: "0", count: 7 - digits.count) + digits
        return EventFactory.Sample(arguments[2], key: key, value: value, timestamp: WallClock.milliseconds)
    }, spool: spool, first: 0)
let source = MemorySource(spool: spool) { from in
    from >= total ? nil : EventFactory.numbered(template, spool: spool, first: from)
}
let loop = try EventLoop(label: "delivery")
let registry = MetricsRegistry()
let deadLetters = MemoryDeadLetters()
let known = KafkaProperties(client: properties)
// Nothing should be set aside here: a log that can't be opened.
let log = try SetAsideLog(directory: "/nonexistent") { folder throws(ForebayError) in
    throw ForebayError(.spoolFull, recovery: .retry, "the benchmark's topic can't be delivered to")
}
let setAside = SetAside(route: "bench", log: log, properties: known, configuration: configuration, surroundings: .real)
let stage = DeliveryEngine(
    .direct, of: DeliveryName(.forward, of: "bench"), source: source, producers: KafkaProducers(loop: loop), properties: known,
    deadLetters: deadLetters, setAside: setAside, waiters: DeliveryWaiters(limit: 1000),
    budget: DeliveryBudget(total: window), settings: configuration,
    loop: loop, metrics: registry, surroundings: .real)
let began = MonotonicClock.nanoseconds
let run = Task { try await stage.run() }
let rounded = (total + UInt64(perBatch) - 1) / UInt64(perBatch) * UInt64(perBatch)
await source.settled(through: rounded)
let seconds = Double(MonotonicClock.nanoseconds - began) / 1e9
var usage = rusage()
getrusage(0 /* RUSAGE_SELF */, &usage)
print(
    "\(Int(Double(rounded) / seconds)) records/s  \(Int(Double(rounded) * Double(size) / seconds / 1e6)) MB/s  \(deadLetters.letters.count) dead  rss \(usage.ru_maxrss / 1024) MiB"
)
run.cancel()
_ = await run.result
await loop.stop()
