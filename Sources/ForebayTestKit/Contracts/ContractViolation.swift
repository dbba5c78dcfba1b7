/// What a conformer of a protocol must do, and does not.
package struct ContractViolation: Error, CustomStringConvertible {
    package let description: String

    package init(_ description: String) { self.description = description }

    /// - Throws: that it does not hold.
    static func unless(_ holds: Bool, _ otherwise: @autoclosure () -> String) throws(ContractViolation) {
        if !holds { throw ContractViolation(otherwise()) }
    }
}
