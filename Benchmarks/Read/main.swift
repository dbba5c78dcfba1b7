import ForebayCore
import ForebaySpool
import ForebayTelemetry
import ForebayTestKit
import Glibc
import Synchronization

// ReadBenchmark FOLDER ROUTES READERS MIB SIZE GROUP [count]: makes a backlog of MIB with events of SIZE bytes, in groups of GROUP bytes shared
// evenly by ROUTES (once; another run reads the same), and reads it from the disk with READERS (`4` read the first route, `each` one
// of each route) in turn, as the thread for reading does. `count` counts bytes as the disk sees them, and is slower.
let arguments = CommandLine.arguments
guard arguments.count >= 7, let routeCount = Int(arguments[2]), let mebibytes = Int(arguments[4]), let size = Int(arguments[5]),
    let groupBytes = Int(arguments[6])
else {
    print("ReadBenchmark FOLDER ROUTES READERS MIB SIZE GROUP [count]")
    exit(64)
}
let folder = arguments[1]
let counts = arguments.count > 7
let routes = (0..<routeCount).map { RouteID(name: "route-\($0)") }
let asked = Mutex(0)
let calls = Mutex(0)
let counting = FaultDisk()
counting.fail { call, path in
    guard call == .read, path.contains("/segments/"), let plus = path.lastIndex(of: "+") else { return nil }
    asked.withLock { $0 += Int(path[path.index(after: plus)...]) ?? 0 }
    calls.withLock { $0 += 1 }
    return nil
}
var configuration = SpoolConfiguration(directory: folder, segmentSize: 64 << 20) { fatalError("\($0)") }
configuration.recentBytes = 0
configuration.preparesNext = false
if counts { configuration.disk = counting }
try SystemDisk().makeFolder(folder)
let budget = try SpoolBudget(capacity: 64 << 30, directory: folder)
let registry = MetricsRegistry()
let spool = try Spool.open(configuration, budget: budget, threads: SpoolThreads(), metrics: SpoolMetrics(registry))

let perFrame = max(1, groupBytes / routeCount / (size + 64))
let value = String(repeating: "x", count: size)
let template = EventFactory.batch(
    (0..<perFrame).map { _ in EventFactory.Sample("topic", key: "key", value: value, timestamp: 1) }, spool: spool.id, first: 0)
while spool.byteCount < mebibytes << 20 {
    let group = routes.map { route in
        Batch(
            lane: template.lane, origin: nil, first: 0, count: template.count, route: route, acceptedAt: 1, slab: template.slab,
            range: template.range)
    }
    _ = try await spool.commit([Submission(batches: group, ack: AckToken { _ in })])
}

asked.withLock { $0 = 0 }
calls.withLock { $0 = 0 }
let readers = arguments[3] == "each" ? routes : [RouteID](repeating: routes[0], count: Int(arguments[3]) ?? 1)
var waiting = readers.map { spool.reader(route: $0, from: 0) }
var events = 0, bytes = 0
func cpu() -> Double {
    var usage = rusage()
    getrusage(0 /* RUSAGE_SELF */, &usage)
    let (user, system) = (usage.ru_utime, usage.ru_stime)
    return Double(user.tv_sec + system.tv_sec) + Double(user.tv_usec + system.tv_usec) / 1e6
}
let (began, used) = (MonotonicClock.nanoseconds, cpu())
while !waiting.isEmpty {
    for reader in waiting {
        for batch in try reader.readDisk(upTo: 1 << 20) {
            events += batch.count
            bytes += batch.byteCount
        }
    }
    waiting.removeAll { $0.isCaughtUp }
}
let seconds = Double(MonotonicClock.nanoseconds - began) / 1e9
print(
    "\(events) events  \(bytes >> 20) MiB  \(Int(Double(events) / seconds)) events/s  \(Int((cpu() - used) * 1e9 / Double(max(1, events)))) ns CPU/event"
        + "  \(Int(Double(bytes) / seconds / 1e6)) MB/s"
        + (counts ? "  read \(asked.withLock { $0 } >> 20) of \(spool.byteCount >> 20) MiB in \(calls.withLock { $0 }) calls" : ""))
await spool.close()
