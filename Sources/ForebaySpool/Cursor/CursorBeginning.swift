/// Where a cursor that was never there begins.
package enum CursorBeginning: Sendable {
    /// At the oldest event on disk: a delivery that a route has had from its first event on.
    case oldest
    /// Behind the last: one that came to the route later.
    case end
}
