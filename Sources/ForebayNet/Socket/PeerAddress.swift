import Glibc

/// Where a connection comes from, as far as caps care: an IPv4 address, or the /64 network of an IPv6 one (a host has that many to itself).
package struct PeerAddress: Hashable, Sendable {
    private let high: UInt64
    private let low: UInt64

    init(_ storage: sockaddr_storage) {
        (self.high, self.low) = withUnsafeBytes(of: storage) { bytes in
            switch CInt(storage.ss_family) {
            case AF_INET:
                return (0, UInt64(bytes.load(as: sockaddr_in.self).sin_addr.s_addr))
            case AF_INET6:
                let address = withUnsafeBytes(of: bytes.load(as: sockaddr_in6.self).sin6_addr) { address in
                    (address.loadUnaligned(as: UInt64.self), address.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
                }
                // An IPv4 client of a dual-stack listener comes as ::ffff:a.b.c.d, and counts as that.
                let isMapped = address.0 == 0 && UInt32(truncatingIfNeeded: address.1) == UInt32(0xFFFF).bigEndian
                return isMapped ? (0, address.1 >> 32) : (address.0, 0)
            default:
                return (0, 0)
            }
        }
    }
}

extension PeerAddress: CustomStringConvertible {
    /// `192.0.2.1`, `2001:db8:0:1::/64`.
    package var description: String {
        // IPv6 has networks of zeros, too: its loopback address is in one. No client has 0.0.0.0.
        if self.high == 0 && self.low != 0 {
            return withUnsafeBytes(of: UInt32(truncatingIfNeeded: self.low)) { $0.map { "\($0)" }.joined(separator: ".") }
        }
        let groups = (0..<4).map { String(UInt16(truncatingIfNeeded: self.high.bigEndian >> (48 - 16 * $0)), radix: 16) }
        return (self.high == 0 ? "" : groups.joined(separator: ":")) + "::/64"
    }
}
