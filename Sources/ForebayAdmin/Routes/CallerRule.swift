import ForebayHTTP
import Glibc

/// Whom the admin listener answers. A browser can be made to ask it by any web page, and by a name that its owner points here: so pages of
/// other origins are refused, and names that nobody gave this node.
package struct CallerRule: Sendable {
    private let names: Set<String>

    /// - Parameter names: of this node, beside addresses and `localhost`: `listeners.admin.names`.
    package init(names: [String] = []) {
        self.names = Set(names.map { $0.lowercased() })
    }

    /// Why a request is refused; none if it is not.
    func refusal(of head: borrowing HTTPRequestHead) -> HTTPResponse? {
        self.refusal(host: head.headerText("host"), origin: head.headerText("origin"), site: head.headerText("sec-fetch-site"))
    }

    /// - Parameters:
    ///   - host: none: an HTTP/1.0 client, which is no browser.
    ///   - site: of `Sec-Fetch-Site`, which browsers send with requests that have no `Origin`.
    func refusal(host: String?, origin: String?, site: String?) -> HTTPResponse? {
        if let host, !self.isOurs(host) {
            return Self.forbidden(
                "host_not_allowed",
                "This listener is asked by address, as localhost, or by a name under listeners.admin.names; not as '\(host)'.")
        }
        let isSame = origin.map { origin in
            ["http://", "https://"].contains { origin.lowercased() == $0 + (host ?? "").lowercased() }
        }
        guard isSame ?? (site == nil || site == "same-origin" || site == "none") else {
            return Self.forbidden("origin_not_allowed", "This listener answers no web page of another origin.")
        }
        return nil
    }

    private func isOurs(_ host: String) -> Bool {
        if host.first == "[" {
            return host.firstIndex(of: "]").map { Self.isAddress(String(host[..<$0].dropFirst()), AF_INET6) } ?? false
        }
        let name = host.prefix { $0 != ":" }.lowercased()
        return name == "localhost" || self.names.contains(name) || Self.isAddress(name, AF_INET)
    }

    private static func isAddress(_ text: String, _ family: CInt) -> Bool {
        var address = in6_addr()
        return inet_pton(family, text, &address) == 1
    }

    private static func forbidden(_ code: String, _ detail: String) -> HTTPResponse {
        ProblemDetails(status: 403, code: code, detail: detail, isRetryable: false).response(to: nil)
    }
}
