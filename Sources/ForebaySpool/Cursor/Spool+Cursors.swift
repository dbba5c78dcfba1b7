package import ForebayCore

/// A log's cursors, and what is left for each.
extension Spool {
    /// Opens a stage's cursor on a route. One that was never there begins at the oldest event on disk, or behind the last.
    ///
    /// Another cursor that counted the route's events, as those of a former name, parts with them, and has to be asked for anew. So at a
    /// start all are opened before any is used.
    ///
    /// - Parameters:
    ///   - name: `forward/orders`.
    ///   - formerly: the names of cursors that it takes over from, if they are there.
    ///   - beginning: where a new one begins.
    package func cursor(
        _ name: String, route: RouteID, formerly: [String] = [], beginning: CursorBeginning = .oldest
    ) async throws(ForebayError) -> SpoolCursor {
        try await self.keeper.cursor(name, route, formerly: formerly, beginning)
    }

    /// From now on a delivery gives way where there is no room for new events.
    package func yields(_ holder: any YieldingHolder) async {
        await self.keeper.yields(holder)
    }

    /// All cursors, those of routes that are not configured any more, too.
    package var allCursors: [SpoolCursor] { self.cursors.all }

    /// From now on what every cursor is durably past may be removed: all that will be asked for is there.
    package func releasePassedSegments() async {
        await self.keeper.release()
        // Not before: it takes the disk and the keeper a while, and whoever starts waits for neither.
        let (keeper, starting) = (self.keeper, self.starting)
        Task(preferring: self.configuration.surroundings.tasks) {
            await starting.value
            await keeper.makeReady()
        }
    }

    /// Takes a cursor out, for which nothing is left: it holds no segment any more. Durable on return.
    ///
    /// - Parameter sequence: see ``CursorSet/forget(_:below:)``.
    func forget(_ cursor: SpoolCursor, below sequence: UInt64 = 0) async throws(ForebayError) {
        try await self.keeper.forget(cursor.name, below: sequence)
    }

    /// Events of the cursor's routes at or behind it.
    package func lag(of cursor: SpoolCursor) -> UInt64 {
        let total = self.total(cursor.routes)
        let settled = cursor.ordinal
        return total > settled ? total - settled : 0
    }

    /// Events of the cursor's routes ever appended, if the durable end is still `sequence`.
    package func count(of cursor: SpoolCursor, ifEndIs sequence: UInt64) -> UInt64? {
        self.view.read { state in
            state.durableEnd == sequence ? cursor.routes.reduce(0) { $0 + (state.ordinals[$1] ?? 0) } : nil
        }
    }

    /// Whether events of the cursor's routes are left at or behind it, by the log itself. What can't be read may be some. Waits for the
    /// disk.
    package func waits(for cursor: SpoolCursor) throws(ForebayError) -> Bool {
        try LogCensus(self.view, self.configuration.disk).hasEvents(of: cursor.routes, from: cursor.sequence)
    }

    private func total(_ routes: [RouteID]) -> UInt64 {
        self.view.read { state in routes.reduce(0) { $0 + (state.ordinals[$1] ?? 0) } }
    }
}
