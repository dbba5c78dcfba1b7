import Glibc

/// Plain sockets, for tests that must see what a server does to them.
package enum Loopback {
    /// Gives a TCP socket the address 127.0.0.`host`: on loopback a client may have as many addresses as it likes.
    ///
    /// - Returns: 0, or -1 with the reason in `errno`.
    package static func bind(_ descriptor: CInt, host: UInt8) -> CInt {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = (0x7F00_0000 | UInt32(host)).bigEndian
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }

    /// Connects a TCP socket to a port of this machine.
    ///
    /// - Returns: 0, or -1 with the reason in `errno`.
    package static func connect(_ descriptor: CInt, port: Int) -> CInt {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }
}
