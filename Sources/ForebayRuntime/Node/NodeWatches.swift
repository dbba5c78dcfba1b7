/// What a node looks at once a second beside its stages: its folders and its clock.
final class NodeWatches: Sendable {
    private let storage: StorageWatch
    private let looking: Task<Void, Never>

    /// Looks from now on.
    init(_ storage: StorageWatch, _ clock: NodeClock) {
        self.storage = storage
        self.looking = Task {
            async let watchedClock: Void = clock.run()
            await storage.run()
            await watchedClock
        }
    }

    /// Nothing is looked at any more on return. For good.
    func end() async {
        self.looking.cancel()
        await self.looking.value
        self.storage.end()
    }
}
