/// Which version this is, by the rules of semver.org over the contract in docs/reference.
package enum ForebayVersion {
    package static let text = "0.1.0"
}
