/// What an operator takes out of the drain's hands.
extension DeliveryEngine {
    /// Lets go of the topics whose units an operator wants, as of those that can't be delivered now: what was read and not sent is
    /// dropped, what producers have is held until they report it, and what is settled beyond others is not sent again.
    func letGoOfRecalled() {
        for topic in self.setAside.takeRecalled() {
            self.state.recall(topic)
            let unreported = self.state.actions.unreported
            self.state.actions.unreported = []
            self.setAside.recalled(topic, unreported: unreported, done: self.state.done(of: SetAsideKey(topic)))
            self.tellReleasedLetters()
        }
    }
}
