/// Names one connection of a server, and outlives it: a slot's generation tells one tenant from the next.
struct ConnectionID: Equatable {
    let slot: UInt32
    let generation: UInt32

    func request(_ sequence: UInt32, _ traits: RequestID.Traits = []) -> RequestID {
        RequestID(slot: self.slot, generation: self.generation, sequence: sequence, traits: traits)
    }
}
