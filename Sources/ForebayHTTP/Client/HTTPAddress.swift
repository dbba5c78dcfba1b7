/// Where an HTTP server is: `http://host:port` with a path in front of all targets, if there is one.
package struct HTTPAddress: Sendable, Equatable, CustomStringConvertible {
    /// Without brackets.
    package let host: String
    package let port: Int
    /// Empty, or `/…` without a slash at its end.
    package let prefix: String

    package init(host: String, port: Int, prefix: String = "") {
        self.host = host
        self.port = port
        self.prefix = prefix
    }

    /// As it stands in a `Host` field.
    var authority: String {
        let host = self.host.contains(":") ? "[\(self.host)]" : self.host
        return self.port == 80 ? host : "\(host):\(self.port)"
    }

    package var description: String { "http://\(self.authority)\(self.prefix)" }

    /// - Throws: `invalidURL` with what would do. TLS is refused by name.
    package init(url: String) throws(HTTPClientError) {
        func refusal(_ why: String) -> HTTPClientError { HTTPClientError(.invalidURL, "\(url): \(why)") }
        if url.lowercased().hasPrefix("https://") { throw refusal("https is not supported yet; expected http://host:port") }
        let scheme = "http://"
        guard url.lowercased().hasPrefix(scheme) else { throw refusal("expected http://host:port") }
        let rest = url.dropFirst(scheme.count)
        let authority = rest.prefix { $0 != "/" && $0 != "?" && $0 != "#" }
        var prefix = rest.dropFirst(authority.count)
        guard !authority.contains("@") else { throw refusal("names and passwords do not belong into a URL") }
        guard prefix.allSatisfy({ $0 != "?" && $0 != "#" }), prefix.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            throw refusal("expected a path without spaces, ? and #")
        }
        while prefix.last == "/" { prefix.removeLast() }
        guard let (host, port) = Self.hostAndPort(authority) else { throw refusal("expected http://host:port") }
        self.init(host: host, port: port, prefix: String(prefix))
    }

    private static func hostAndPort(_ authority: Substring) -> (String, Int)? {
        var (host, digits) = (authority, Substring("80"))
        if authority.first == "[" {
            guard let end = authority.firstIndex(of: "]") else { return nil }
            host = authority[authority.index(after: authority.startIndex)..<end]
            let after = authority[authority.index(after: end)...]
            if !after.isEmpty {
                guard after.first == ":" else { return nil }
                digits = after.dropFirst()
            }
        } else if let colon = authority.firstIndex(of: ":") {
            (host, digits) = (authority[..<colon], authority[authority.index(after: colon)...])
        }
        guard !host.isEmpty, host.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }), (1...5).contains(digits.utf8.count),
            digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let port = Int(digits), (1...65535).contains(port)
        else { return nil }
        return (String(host), port)
    }
}

/// Why a request got no answer.
package struct HTTPClientError: Error, Sendable, CustomStringConvertible {
    package enum Kind: Sendable {
        case invalidURL
        /// The request itself can't be written: a line break in a field, say.
        case invalidRequest
        /// Nothing was sent.
        case notConnected
        /// The server may have done what it was asked, or not.
        case connectionLost
        case timedOut
        /// What came is not HTTP, or more than was asked for.
        case badAnswer
    }

    package let kind: Kind
    package let message: String

    init(_ kind: Kind, _ message: String) {
        self.kind = kind
        self.message = message
    }

    package var description: String { self.message }
}
