/// Where a text stops being JSON, and why.
package struct JSONFault: Error, Equatable, Sendable {
    /// Short reasons, fit for a `detail` that a producer reads. They never quote the text.
    package enum Reason: String, Sendable {
        case unexpectedEnd = "the text ends inside a value"
        case expectedValue = "a value was expected"
        case expectedName = "a member's name in double quotes was expected"
        case expectedColon = "a colon was expected"
        case expectedCommaOrBrace = "a comma or } was expected"
        case expectedCommaOrBracket = "a comma or ] was expected"
        case control = "a control character inside a string must be escaped"
        case escape = "not an escape that JSON knows"
        case encoding = "not UTF-8"
        case number = "not a number that JSON's grammar allows"
        case literal = "not a literal that JSON knows (true, false, null)"
        case depth = "nested deeper than 64"
        case trailing = "more text after the value"
        case byteOrderMark = "a byte order mark is not allowed"
        case surrogate = "half a surrogate pair has no UTF-8"
    }

    /// In bytes, from the start of what was given to the scanner.
    package let offset: Int
    package let reason: Reason

    package init(_ reason: Reason, at offset: Int) {
        self.offset = offset
        self.reason = reason
    }
}
