/// How the target cluster settled one event.
package enum Settlement: Sendable, Equatable {
    case record(partition: Int32, offset: Int64)
    /// In the dead letters, with the error's name and the number under which it stands there.
    case dead(code: String, letter: UInt64)

    package var isRefusal: Bool { if case .dead = self { true } else { false } }
}
