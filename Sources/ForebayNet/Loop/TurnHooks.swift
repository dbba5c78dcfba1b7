/// What runs at the end of each turn, and whether all of it is to run once more.
struct TurnHooks {
    private var hooks: [() -> Void] = []
    /// Some hook of this round made work for those before it.
    private(set) var wantsRound = false

    mutating func add(_ hook: @escaping () -> Void) { self.hooks.append(hook) }

    mutating func repeatRound() { self.wantsRound = true }

    /// - Returns: the hooks, for the caller to run: they may ask for another round meanwhile, or add to themselves.
    mutating func beginRound() -> [() -> Void] {
        self.wantsRound = false
        return self.hooks
    }

    mutating func removeAll() { self.hooks.removeAll() }
}
