import Glibc

/// Numbers of threads as the kernel counts them: those under `/proc/self/task`.
package enum ThreadID {
    /// Of the calling thread; 0 where `/proc` is missing. (gettid is hidden from Swift behind _GNU_SOURCE.)
    package static var current: Int32 {
        var path = [CChar](repeating: 0, count: 64)
        guard readlink("/proc/thread-self", &path, path.count - 1) > 0 else { return 0 }
        let number = path.prefix { $0 != 0 }.split(separator: CChar(UInt8(ascii: "/"))).last ?? []
        return Int32(String(decoding: number.map { UInt8(bitPattern: $0) }, as: UTF8.self)) ?? 0
    }
}
