import ForebayCore
import ForebayTelemetry

/// What is settled ahead of cursors that take over from others.
extension CursorSet {
    /// What is settled ahead of a cursor is so under another name, too: where no event of that name is there, of which it says nothing.
    func takeOverAhead(_ old: SpoolCursor, _ cursor: SpoolCursor, _ view: SpoolView) {
        let (end, isNew) = view.read { state in
            (state.durableEnd, cursor.routes.allSatisfy { old.routes.contains($0) || state.ordinals[$0] ?? 0 == 0 })
        }
        guard isNew, let ahead = old.readAhead(end: end) else { return }
        self.write(ahead, of: cursor.name, cursor.routes, from: old)
    }

    /// One that goes back for another's events does not deliver its own again where there is none of those: by whole segments.
    func keepAhead(of known: SpoolCursor, _ routes: [RouteID], from sequence: UInt64, _ view: SpoolView) {
        let others = routes.filter { !known.routes.contains($0) }
        let (segments, end) = view.read { ($0.segments, $0.durableEnd) }
        let own = segments.filter { segment in !segment.isDamaged && !others.contains { segment.routes[$0] != nil } }
            .map { $0.base..<max($0.base, $0.end) }
        // An attempt that a kill cut short may have written it. What can't be read says nothing.
        let before = known.readAhead(end: end) ?? (try? self.files.ahead(of: known.name, routes).read(end: end))
        var settled = before?.settled ?? SettledAhead()
        settled.clamp(to: own, limit: SpoolCursor.aheadLimit)
        settled.add(own.map { $0.clamped(to: sequence..<max(sequence, known.sequence)) })
        settled.sentBelow = max(settled.sentBelow, known.sequence)
        if !settled.ranges.isEmpty { self.write(SpoolCursor.Ahead(settled: settled), of: known.name, routes, from: known) }
    }

    private func write(_ ahead: SpoolCursor.Ahead, of name: String, _ routes: [RouteID], from old: SpoolCursor) {
        do throws(ForebayError) {
            try self.files.ahead(of: name, routes).write(ahead)
        } catch {
            Self.logger.warning(
                "what is settled ahead of a cursor could not be written; it is delivered again",
                ["cursor": name, "from": old.name, "error": error.description])
        }
    }
}
