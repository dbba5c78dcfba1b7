import ForebayCore
import ForebayHTTP

extension AdminRequest {
    /// How many entries are wanted: what is asked for, or `other`. None: not a number from 1 to `bound`.
    func limit(or other: Int, atMost bound: Int) -> Int? {
        guard let text = self.value("limit") else { return other }
        return UInt64(digits: text).flatMap { (1...UInt64(bound)).contains($0) ? Int($0) : nil }
    }
}

extension HTTPResponse {
    static func badParameter(_ name: String, _ wanted: String) -> HTTPResponse {
        ProblemDetails(
            status: 400, code: "bad_parameter", detail: "The parameter '\(name)' must be \(wanted).",
            errors: [.init(pointer: name, code: "bad_parameter", detail: "must be \(wanted)")]
        ).response(to: nil)
    }

    static func badLimit(atMost bound: Int) -> HTTPResponse { .badParameter("limit", "a whole number from 1 to \(bound)") }

    static func unknownRoute(_ route: String) -> HTTPResponse {
        ProblemDetails(status: 404, code: "unknown_route", detail: "There is no route '\(route)'.").response(to: nil)
    }

    static func refused(_ refusal: Refusal) -> HTTPResponse {
        ProblemDetails(status: refusal.status, code: refusal.code, detail: refusal.detail).response(to: nil)
    }

    static func failed(_ error: ForebayError) -> HTTPResponse {
        ProblemDetails(status: 500, code: error.code.description, detail: error.description).response(to: nil)
    }
}

extension UInt64 {
    /// Decimal digits and nothing else: Swift's own takes a sign.
    init?(digits: String) {
        guard digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        self.init(digits)
    }
}
