import Glibc

/// Names the calling thread, for `top -H` and profilers. (By `/proc`: pthread_setname_np is hidden from Swift behind _GNU_SOURCE.)
package enum ThreadName {
    /// - Parameter name: at most 15 characters; the kernel cuts the rest.
    package static func set(_ name: String) {
        let file = open("/proc/thread-self/comm", O_WRONLY | O_CLOEXEC)
        guard file >= 0 else { return }
        _ = name.utf8CString.withUnsafeBytes { write(file, $0.baseAddress!, $0.count - 1) }
        close(file)
    }
}
