/// What a node looks at beside its stages: its folders and its clock once a second, and what else it is given.
final class NodeWatches: Sendable {
    private let storage: StorageWatch
    private let looking: Task<Void, Never>

    /// Looks from now on.
    ///
    /// - Parameter another: until its task is cancelled.
    init(_ storage: StorageWatch, _ clock: NodeClock, another: @escaping @Sendable () async -> Void = {}) {
        self.storage = storage
        self.looking = Task {
            async let watchedClock: Void = clock.run()
            async let watchedElse: Void = another()
            await storage.run()
            await watchedClock
            await watchedElse
        }
    }

    /// Nothing is looked at any more on return. For good.
    func end() async {
        self.looking.cancel()
        await self.looking.value
        self.storage.end()
    }
}
