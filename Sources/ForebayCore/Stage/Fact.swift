/// One fact about a stage, for people.
package struct Fact: Sendable, Equatable {
    package enum Value: Sendable, Equatable {
        case number(Int64)
        case text(String)
        case flag(Bool)
    }

    package let name: String
    package let value: Value

    package init(_ name: String, _ value: Value) {
        self.name = name
        self.value = value
    }
}
