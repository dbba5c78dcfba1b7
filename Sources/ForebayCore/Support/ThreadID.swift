import Glibc

/// Numbers of threads as the kernel counts them: those under `/proc/self/task`.
package enum ThreadID {
    /// Of the calling thread; 0 where the C library can't tell.
    package static var current: Int32 { self.gettid?() ?? 0 }

    /// Hidden from Swift behind _GNU_SOURCE.
    private static let gettid = dlsym(nil, "gettid").map { unsafeBitCast($0, to: (@convention(c) () -> CInt).self) }
}
