import Glibc

/// What the kernel tells of this process.
package enum ProcFile {
    /// A small file of `/proc`, which has no size to ask for. Empty if it can't be read: what stands there is never needed to go on.
    package static func text(of path: String) -> String {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return "" }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        let part = UnsafeMutableRawBufferPointer.allocate(byteCount: 4096, alignment: 1)
        defer { part.deallocate() }
        while case let count = Glibc.read(descriptor, part.baseAddress, part.count), count > 0 {
            bytes += part[..<count]
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
