import Synchronization

/// Where two stages meet: holds the link that is in force. When the consumer is made anew it connects a new link,
/// and the producer, which asks for each element, finds it; the old link ends and what waited in it is dropped.
package final class LinkPort<Element: Weighted>: Sendable {
    package let name: String
    private let bound: Int
    private let room: @Sendable () -> Void
    private let current = Mutex<Link<Element>?>(nil)

    /// - Parameters:
    ///   - bound: of what waits in a link, in bytes.
    ///   - room: called when an `offer` may succeed again after it was refused, or a new link is there.
    package init(name: String, bound: Int, room: @escaping @Sendable () -> Void = {}) {
        self.name = name
        self.bound = bound
        self.room = room
    }

    /// The consumer's side: a new link in place of the one before.
    package func connect() -> Link<Element> {
        let link = Link<Element>(name: self.name, bound: self.bound, room: self.room)
        let old = self.current.withLock { current in
            defer { current = link }
            return current
        }
        old.map(Self.abandon)
        self.room()
        return link
    }

    /// The consumer's side, when it ends: nothing more is taken in until the next ``connect()``.
    package func disconnect(_ link: Link<Element>) {
        Self.abandon(link)
    }

    /// Nobody takes from it any more: what waits is dropped now, so that whoever waits for that is told.
    private static func abandon(_ link: Link<Element>) {
        link.finish()
        _ = link.takeWaiting(upTo: .max)
    }

    /// What waits.
    package var depth: (count: Int, bytes: Int) { self.current.withLock { $0 }?.depth ?? (0, 0) }

    /// The producer's side; `full` too while no consumer is connected.
    @specialized(where Element == Submission)
    package func offer(_ element: Element) -> Offer {
        guard let link = self.current.withLock({ $0 }) else { return .full }
        let answer = link.offer(element)
        return answer == .finished ? .full : answer
    }
}
