/// What of a delivery's topics each stage is to look at again, since what is set aside of them has changed.
struct SetAsideChanges {
    private var direct: Set<String> = []
    private var aside: Set<String> = []

    mutating func insert(_ topic: String) {
        self.direct.insert(topic)
        self.aside.insert(topic)
    }

    func has(for way: DeliveryWay) -> Bool {
        switch way {
        case .direct: !self.direct.isEmpty
        case .aside: !self.aside.isEmpty
        case .hand: false
        }
    }

    /// Those that changed since this was asked last.
    mutating func take(for way: DeliveryWay) -> Set<String> {
        let topics = way == .direct ? self.direct : way == .aside ? self.aside : []
        self.set([], for: way)
        return topics
    }

    /// A stage begins anew, and knows nothing.
    ///
    /// - Parameter topics: all that there are.
    mutating func begin(_ way: DeliveryWay, _ topics: Set<String>) {
        self.set(topics, for: way)
    }

    private mutating func set(_ topics: Set<String>, for way: DeliveryWay) {
        switch way {
        case .direct: self.direct = topics
        case .aside: self.aside = topics
        case .hand: break
        }
    }
}
