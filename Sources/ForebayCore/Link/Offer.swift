/// What `offer` answers.
package enum Offer: Sendable {
    case accepted
    case full
    case finished
}
