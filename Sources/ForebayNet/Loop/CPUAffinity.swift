import CUV
import Glibc

/// On which CPUs threads may run.
package enum CPUAffinity {
    /// The numbers of the CPUs that the calling thread may use; none if the system doesn't tell.
    package static var allowed: [Int] {
        var set = cpu_set_t()
        guard sched_getaffinity(0, MemoryLayout<cpu_set_t>.size, &set) == 0 else { return [] }
        return withUnsafeBytes(of: &set) { bytes in
            (0..<bytes.count * 8).filter { bytes[$0 / 8] >> UInt8($0 % 8) & 1 == 1 }
        }
    }

    /// Keeps a thread of this process on some CPUs. Without effect on a thread that has ended, or where the system forbids it.
    ///
    /// - Parameter thread: see `ThreadID`.
    package static func keep(_ thread: Int32, on cpus: [Int]) {
        var set = cpu_set_t()
        withUnsafeMutableBytes(of: &set) { bytes in
            for cpu in cpus where cpu / 8 < bytes.count { bytes[cpu / 8] |= 1 << UInt8(cpu % 8) }
        }
        sched_setaffinity(thread, MemoryLayout<cpu_set_t>.size, &set)
    }
}
