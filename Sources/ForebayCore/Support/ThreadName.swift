import Glibc

/// Names the calling thread, for `top -H` and profilers. (By `/proc`: pthread_setname_np is hidden from Swift behind _GNU_SOURCE.)
package enum ThreadName {
    /// - Parameter name: at most 15 characters; the kernel cuts the rest.
    package static func set(_ name: String) {
        var name = name
        // Where `/proc` is missing threads stay without names: the calls fail, and nothing hangs on it.
        let file = open("/proc/thread-self/comm", O_WRONLY | O_CLOEXEC)
        name.withUTF8 { _ = write(file, $0.baseAddress, $0.count) }
        close(file)
    }
}
