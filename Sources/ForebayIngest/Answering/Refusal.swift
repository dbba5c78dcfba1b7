/// Why a request is refused: becomes a problem document (RFC 9457). Nothing of the request is stored, unless its code is `outcome_unknown`.
///
/// A class, so that the functions that may throw it return one word: refusals are rare, the path beside them is hot.
package final class Refusal: Error, Sendable {
    /// Which event is to blame, and where in it.
    struct Place: Sendable, Equatable {
        /// Of the event in its request, from 0.
        let index: Int
        /// A JSON pointer (RFC 6901) into the event's envelope; none where the event itself is meant.
        let pointer: String?
    }

    package let code: ProblemCode
    package let detail: String
    let place: Place?
    /// The methods that the path has, for 405.
    let allow: String?

    init(_ code: ProblemCode, _ detail: String, at place: Place? = nil, allow: String? = nil) {
        self.code = code
        self.detail = detail
        self.place = place
        self.allow = allow
    }

    convenience init(_ code: ProblemCode, _ detail: String, event index: Int, pointer: String? = nil) {
        self.init(code, detail, at: Place(index: index, pointer: pointer))
    }
}
