import ForebayCore

/// What the cursors' files say at a start.
extension CursorSet {
    /// What is settled was there, also where its segments are gone: before any other cursor of the same route counts what it has passed.
    static func countSettled(_ registry: CursorRegistry, _ identity: LogIdentity, _ view: SpoolView) {
        guard !identity.isVersion1 else { return }
        for entry in registry.cursors where entry.routes.count == 1 {
            guard let found = identity.cursors[entry.name], let value = found.value, value.owner == SpoolCursor.owner(entry.name),
                !Self.isOld(found, value, identity, view)
            else { continue }
            view.change { $0.ordinals[entry.routes[0]] = max($0.ordinals[entry.routes[0]] ?? 0, value.ordinal) }
        }
    }

    /// What is let go of was settled, or told of as lost. A slot that is older than the one that was lost does not know that. A cursor
    /// that is whole stands before a loss, and reads what is had back of it.
    static func isOld(_ found: SlotFile.Found, _ value: SlotFile.Value, _ identity: LogIdentity, _ view: SpoolView) -> Bool {
        !found.isWhole && value.sequence < min(identity.mark?.value?.ordinal ?? 0, view.read { $0.start })
    }
}
