import Glibc

/// The process's own numbers under the names that every Prometheus client uses, so that existing dashboards find them.
package enum ProcessMetrics {
    /// What one look at the system gives.
    package struct Reading: Sendable, Equatable {
        package var cpuSeconds = 0.0
        package var residentBytes = 0.0
        package var virtualBytes = 0.0
        package var openDescriptors = 0.0
        package var maximumDescriptors = 0.0
        /// Since 1970.
        package var startSeconds = 0.0
    }

    package static func register(in registry: MetricsRegistry) {
        let start = Self.startSeconds()
        let resident = registry.gauge("process_resident_memory_bytes", help: "Resident memory size in bytes.")
        let virtual = registry.gauge("process_virtual_memory_bytes", help: "Virtual memory size in bytes.")
        let open = registry.gauge("process_open_fds", help: "Number of open file descriptors.")
        let maximum = registry.gauge("process_max_fds", help: "Maximum number of open file descriptors.")
        registry.counter("process_cpu_seconds_total", help: "Total user and system CPU time spent in seconds.", read: Self.cpuSeconds)
        registry.gauge("process_start_time_seconds", help: "Start time of the process since unix epoch in seconds.", read: { start })
        registry.beforeRender {
            let (residentBytes, virtualBytes) = Self.memory()
            resident.set(residentBytes)
            virtual.set(virtualBytes)
            open.set(Self.openDescriptors())
            maximum.set(Self.maximumDescriptors())
        }
    }

    /// `forebay_build_info`, always 1: what runs, as labels.
    package static func registerBuild(_ parts: KeyValuePairs<String, String>, in registry: MetricsRegistry) {
        registry.gauge("forebay_build_info", help: "What is running: versions as labels, the value is always 1.", labels: parts).set(1)
    }

    /// For `status`, which shows the same numbers.
    package static func read() -> Reading {
        let (resident, virtual) = Self.memory()
        return Reading(
            cpuSeconds: Self.cpuSeconds(), residentBytes: resident, virtualBytes: virtual, openDescriptors: Self.openDescriptors(),
            maximumDescriptors: Self.maximumDescriptors(), startSeconds: Self.startSeconds())
    }

    // MARK: Sources

    private static func cpuSeconds() -> Double {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        return [usage.ru_utime, usage.ru_stime].reduce(0) { $0 + Double($1.tv_sec) + Double($1.tv_usec) / 1e6 }
    }

    private static func memory() -> (resident: Double, virtual: Double) {
        let pages = ProcFile.text(of: "/proc/self/statm").split(separator: " ").prefix(2).compactMap { Double($0) }
        guard pages.count == 2 else { return (0, 0) }
        let pageSize = Double(sysconf(Int32(_SC_PAGESIZE)))
        return (pages[1] * pageSize, pages[0] * pageSize)
    }

    private static func openDescriptors() -> Double {
        guard let folder = opendir("/proc/self/fd") else { return 0 }
        defer { closedir(folder) }
        var count = 0.0
        while readdir(folder) != nil { count += 1 }
        return count - 3  // ".", ".." and the descriptor that reads the folder.
    }

    private static func maximumDescriptors() -> Double {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 0 }
        return limit.rlim_cur == .max ? .infinity : Double(limit.rlim_cur)
    }

    /// Field 22 of `stat` counts clock ticks since boot. The name in field 2 may hold spaces and brackets: fields are counted from its end.
    private static func startSeconds() -> Double {
        let fields = ProcFile.text(of: "/proc/self/stat").split(separator: ")").last?.split(separator: " ") ?? []
        let boot = ProcFile.text(of: "/proc/stat").split(separator: "\n").first { $0.hasPrefix("btime ") }?.dropFirst("btime ".count)
        guard fields.count > 19, let ticks = Double(fields[19]), let boot, let bootSeconds = Double(boot) else { return 0 }
        return bootSeconds + ticks / Double(sysconf(Int32(_SC_CLK_TCK)))
    }
}
