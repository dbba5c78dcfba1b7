/// What travels over a link: its bound counts bytes.
package protocol Weighted: Sendable {
    /// In bytes.
    var weight: Int { get }
}
