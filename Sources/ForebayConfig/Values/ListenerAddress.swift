import Glibc

/// Where a listener binds: a numeric address and a port, `127.0.0.1:8080` or `[::1]:8080`.
package struct ListenerAddress: Sendable, Hashable, CustomStringConvertible {
    /// Numeric, without brackets.
    package let host: String
    /// 0 lets the system choose.
    package let port: Int

    package init(host: String, port: Int) {
        self.host = host
        self.port = port
    }

    package var description: String {
        self.host.contains(":") ? "[\(self.host)]:\(self.port)" : "\(self.host):\(self.port)"
    }

    /// - Returns: none for anything but a numeric address (or `localhost`) with a port. IPv6 stands in brackets.
    package static func parse(_ text: String) -> ListenerAddress? {
        guard let colon = text.lastIndex(of: ":") else { return nil }
        let digits = text[text.index(after: colon)...]
        guard (1...5).contains(digits.utf8.count), digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            let port = Int(digits), port <= 65535
        else { return nil }
        var host = text[..<colon]
        if host.first == "[", host.last == "]" {
            host = host.dropFirst().dropLast()
            return Self.isNumeric(String(host), AF_INET6) ? ListenerAddress(host: String(host), port: port) : nil
        }
        if host == "localhost" { host = "127.0.0.1" }
        return Self.isNumeric(String(host), AF_INET) ? ListenerAddress(host: String(host), port: port) : nil
    }

    /// Whether only this machine reaches it.
    package var isLoopback: Bool {
        var address = in6_addr()
        if inet_pton(AF_INET, self.host, &address) == 1 { return withUnsafeBytes(of: address) { $0[0] == 127 } }
        guard inet_pton(AF_INET6, self.host, &address) == 1 else { return false }
        return withUnsafeBytes(of: address) { $0.dropLast().allSatisfy { $0 == 0 } && $0[15] == 1 }
    }

    private static func isNumeric(_ host: String, _ family: Int32) -> Bool {
        var address = in6_addr()
        return inet_pton(family, host, &address) == 1
    }
}
