/// The methods that this server knows. Another one is answered by 501 before a handler sees it.
package enum HTTPMethod: UInt8, Sendable {
    case get, head, post, put, delete, patch, options

    /// Spelled as in a request line.
    package var name: String {
        switch self {
        case .get: "GET"
        case .head: "HEAD"
        case .post: "POST"
        case .put: "PUT"
        case .delete: "DELETE"
        case .patch: "PATCH"
        case .options: "OPTIONS"
        }
    }

    /// Methods are case-sensitive.
    init?(_ bytes: UnsafeRawBufferPointer) {
        switch (bytes.count, bytes.first) {
        case (3, UInt8(ascii: "G")) where bytes.equals("GET"): self = .get
        case (4, UInt8(ascii: "P")) where bytes.equals("POST"): self = .post
        case (4, UInt8(ascii: "H")) where bytes.equals("HEAD"): self = .head
        case (3, UInt8(ascii: "P")) where bytes.equals("PUT"): self = .put
        case (6, UInt8(ascii: "D")) where bytes.equals("DELETE"): self = .delete
        case (5, UInt8(ascii: "P")) where bytes.equals("PATCH"): self = .patch
        case (7, UInt8(ascii: "O")) where bytes.equals("OPTIONS"): self = .options
        default: return nil
        }
    }
}
