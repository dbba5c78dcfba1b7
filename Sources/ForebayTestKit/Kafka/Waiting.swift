import Foundation
import Glibc

/// A condition did not come true in time.
package struct NotInTime: Error, CustomStringConvertible {
    package let description: String
}

/// Waits for something that nobody signals, looking every few milliseconds; never longer than `seconds`.
package func until(_ what: String, within seconds: Double = 60, _ isTrue: () async throws -> Bool) async throws {
    let deadline = Date().addingTimeInterval(seconds)
    while try await !isTrue() {
        guard Date() < deadline else { throw NotInTime(description: "not within \(seconds) s: \(what)") }
        try await Task.sleep(for: .milliseconds(20))
    }
}

/// Ports on loopback that nobody has now.
package enum FreePorts {
    package static func find(_ count: Int) throws -> [Int] {
        var sockets: [Int32] = []
        defer { for socket in sockets { close(socket) } }
        return try (0..<count).map { _ in
            let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            sockets.append(descriptor)
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_addr.s_addr = inet_addr("127.0.0.1")
            var length = socklen_t(MemoryLayout<sockaddr_in>.size)
            let status = withUnsafeMutablePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                    bind(descriptor, address, length) == 0 ? getsockname(descriptor, address, &length) : -1
                }
            }
            guard status == 0 else { throw NotInTime(description: "no free port: \(String(cString: strerror(errno)))") }
            return Int(UInt16(bigEndian: address.sin_port))
        }
    }
}
