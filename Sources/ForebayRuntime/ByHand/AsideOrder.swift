import ForebayCore
import ForebayDelivery

/// What of one log is set aside, as an operator names it.
struct AsideTarget: Sendable {
    let name: DeliveryName
    let setAside: SetAside
    /// The former name under which it was left, where it is not the delivery's own: newer events do not go there.
    var former: DeliveryName?
    /// Where it is delivered to; none: nowhere.
    var cluster: String?

    /// In words, for messages.
    fileprivate var place: String {
        self.former.map { "what the route '\(self.name)' left under its former name '\($0)'" } ?? "the route '\(self.name)'"
    }
}

/// Whether events can be moved without losing their order. Within a log they can. Where several logs of a cluster have events of the topic
/// that they come from, or that they go to, they take turns, and what is moved has none among them.
struct AsideOrder {
    /// Of all deliveries.
    let all: [AsideTarget]

    /// Why not; none if they can.
    ///
    /// - Parameter selection: what is to be moved to `topic`, out of `targets`.
    func hindrance(_ selection: SetAside.Selection, to topic: String, from targets: [AsideTarget]) -> String? {
        for target in targets {
            let topics = Set(target.setAside.found(selection, movingTo: topic).map(\.key.topic)).sorted()
            guard let first = topics.first else { continue }
            let others = self.others(of: target)
            for name in topics where !target.setAside.hasTurn(name) {
                guard let other = others.first(where: { $0.setAside.topics.contains(name) }) else { continue }
                return "Events of '\(name)' are set aside in \(target.place), and older ones of it in \(other.place). Move these first "
                    + "(with route), and the others when those are delivered."
            }
            if target.former != nil {
                return
                    "Events of '\(first)' are set aside in \(target.place), and newer ones of '\(topic)' would not wait for them. Once all "
                    + "else that is set aside in the route '\(target.name)' itself is delivered, or removed, the next start of the node "
                    + "makes them the route's own, and they can be moved."
            }
            if let other = others.first(where: { $0.setAside.topics.contains(topic) }) {
                return
                    "Events of '\(topic)' are set aside in \(other.place), too, and nothing would say which of them come first. Move those "
                    + "of '\(first)' when these are delivered."
            }
        }
        return nil
    }

    private func others(of target: AsideTarget) -> [AsideTarget] {
        self.all.filter { $0.setAside !== target.setAside && $0.cluster != nil && $0.cluster == target.cluster }
    }
}
