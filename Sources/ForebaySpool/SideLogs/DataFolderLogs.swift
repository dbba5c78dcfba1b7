package import ForebayCore
import ForebayTelemetry

/// Which side logs the data folder has, and whose they are by the configuration.
package struct DataFolderLogs: Sendable {
    /// One that is configured.
    package struct Route: Sendable {
        package let name: String
        /// Names that it had before.
        package let formerly: [String]

        package init(name: String, formerly: [String]) {
            self.name = name
            self.formerly = formerly
        }
    }

    private let routes: [Route]
    private let directory: String
    private let disk: any Disk
    private let known: KnownLogs?
    private let logger = Logger(label: "node")

    /// - Parameter known: which logs there are: none for who only looks.
    package init(routes: [Route], directory: String, disk: any Disk = SystemDisk(), known: KnownLogs? = nil) {
        self.known = known
        self.routes = routes
        self.directory = directory
        self.disk = disk
    }

    /// Makes the data folder, and the folders of the side logs in it.
    ///
    /// - Returns: the disk on which they stay these (``Disk/holding(_:)``): for all that lies in them.
    package static func hold(_ directory: String, on disk: any Disk) throws(ForebayError) -> any Disk {
        try Folder(disk).make(directory)
        var disk = try disk.holding([directory])
        for folder in Self.sideFolders(directory) {
            do throws(ForebayError) {
                try Folder(disk).make(folder)
                disk = try disk.holding([folder])
            } catch {
                guard error.code == .spoolFull else { throw error }  // It is made with the first log in it.
            }
        }
        return disk
    }

    /// Why what is stored now could not be found again: a folder of the data folder is not in its place. Of those in it the logs tell.
    package var fault: String? { self.disk.fault(of: [self.directory] + Self.sideFolders(self.directory)) }

    private static func sideFolders(_ directory: String) -> [String] { SideLogFolder.Kind.allCases.map { "\(directory)/\($0.rawValue)" } }

    package func folder(_ kind: SideLogFolder.Kind, _ route: String) -> SideLogFolder {
        SideLogFolder(kind, of: route, in: self.directory, disk: self.disk, known: self.known)
    }

    /// Before any is opened: routes take over what they left under former names, and what a kill left of a giving up goes.
    package func prepare() throws(ForebayError) {
        do throws(ForebayError) {
            try SideLogFolder.removeLeftovers(in: self.directory, disk: self.disk)
        } catch {
            self.logger.warning("what was given up could not be removed from disk", ["error": error.description])
        }
        for route in self.routes {
            for former in route.formerly {
                for kind in SideLogFolder.Kind.allCases { try self.takeOver(kind, of: former, for: route.name) }
            }
        }
    }

    private func takeOver(_ kind: SideLogFolder.Kind, of former: String, for route: String) throws(ForebayError) {
        let old = self.folder(kind, former)
        let what = kind == .setAside ? "what is set aside" : "dead letters"
        // As everybody else calls them: only their folders have another mark.
        let (name, formerly) = (DeliveryName(folder: route).description, DeliveryName(folder: former).description)
        let fields: KeyValuePairs = ["route": name, "formerly": formerly, "what": what]
        switch try self.folder(kind, route).takeOver(old) {
        case .nothing: return
        case .taken:
            self.logger.info("a route has taken over what it left under a former name", fields)
        case .refused where kind == .setAside:
            self.logger.info("a route delivers what it left under a former name from there, before newer events of the same topics", fields)
        case .refused:
            self.logger.warning(
                "a route can't take over what it left under a former name, because it has such of its own; that stays under the former name: "
                    + "it is taken over by a start that finds the route's own empty; or deliver it under its old name, or give it up by "
                    + "'forebay routes forget'",
                ["route": name, "formerly": formerly, "what": what, "folder": old.path])
        }
    }

    /// The former names of a route whose set-aside logs could not become its own, which had something, too.
    package func leftBehind(by route: String) throws(ForebayError) -> [String] {
        let formerly = self.routes.first { $0.name == route }?.formerly ?? []
        var names: [String] = []
        for former in formerly where try self.folder(.setAside, former).holdsLog { names.append(former) }
        return names
    }

    /// The routes that have a side log and are not configured, by name.
    package func removedRoutes() throws(ForebayError) -> [String] {
        var names: Set<String> = []
        for kind in SideLogFolder.Kind.allCases {
            names.formUnion(try SideLogFolder.all(kind, in: self.directory, disk: self.disk).map(\.route))
        }
        return names.subtracting(self.routes.map(\.name)).sorted()
    }

    /// Gives up what one stage of a route that is not configured left: its cursor, and with it the side logs, if they are the stage's.
    /// Whatever of it a kill cuts short is finished by the next call, or the next start.
    ///
    /// - Parameter logs: the side logs, where they are open.
    package func giveUp(
        _ route: String, _ cursor: SpoolCursor?, of spool: Spool, withSideLogs: Bool, closing logs: SideLogs? = nil,
        _ budget: SpoolBudget, isolation: isolated (any Actor)? = #isolation
    ) async throws(ForebayError) {
        if let cursor { try await spool.giveUp(cursor) }
        guard withSideLogs else { return }
        await logs?.close()
        for kind in SideLogFolder.Kind.allCases { try self.folder(kind, route).giveUp(budget) }
    }
}

extension DataFolderLogs {
    /// All logs are closed. Waits for the disk.
    ///
    /// - Parameter empty: side logs with nothing in them: nobody will miss them at the next start.
    package func finishStop(empty: [(kind: SideLogFolder.Kind, route: String)]) {
        do throws(ForebayError) {
            try self.known?.finishStop(empty: empty.map { self.folder($0.kind, $0.route).path })
        } catch {
            self.logger.warning("the registry of logs could not be written", ["folder": self.directory, "error": error.description])
        }
    }
}

/// The side logs of one route.
package struct SideLogs: Sendable {
    package let deadLetters: DeadLetters
    /// None: a configured route, which had that name, has it.
    package let setAside: SetAsideLog?

    package init(deadLetters: DeadLetters, setAside: SetAsideLog?) {
        self.deadLetters = deadLetters
        self.setAside = setAside
    }

    /// Events that wait in what is set aside.
    package var setAsideEvents: UInt64 { (self.setAside?.units ?? []).reduce(0) { $0 + $1.end - $1.settled } }

    /// - Returns: those that hold nothing.
    @discardableResult package func close() async -> [SideLogFolder.Kind] {
        var empty: [SideLogFolder.Kind] = []
        if await self.deadLetters.close() { empty.append(.deadLetters) }
        if let setAside, await setAside.close() { empty.append(.setAside) }
        return empty
    }
}

extension Spool {
    /// Gives up what waits for a cursor, and the cursor: should its name come back, nothing of it does, nor with a newest segment that is
    /// lost and may be had back.
    package func giveUp(_ cursor: SpoolCursor, isolation: isolated (any Actor)? = #isolation) async throws(ForebayError) {
        cursor.move(to: self.durableEnd, settled: self.lag(of: cursor))
        try await self.forget(cursor, below: max(self.durableEnd, self.begun))
    }

    /// Routes have no such stages, and others', which had a route's name before, count its events: from now on they do not. What waits of
    /// that name is kept as what a removed one left.
    package func part(_ names: [DeliveryName], isolation: isolated (any Actor)? = #isolation) async throws(ForebayError) {
        var formerly: [DeliveryName.Stage: Set<RouteID>] = [:]
        for cursor in self.allCursors {
            formerly[cursor.delivery.stage, default: []].formUnion(cursor.routes.filter { $0 != RouteID(name: cursor.delivery.route) })
        }
        for name in names where formerly[name.stage]?.contains(RouteID(name: name.route)) ?? false {
            let cursor = try await self.cursor(name.cursor, route: RouteID(name: name.route), beginning: .end)
            if try !self.waits(for: cursor) { try await self.forget(cursor) }
        }
    }

    /// The cursors that no configured delivery asks for and that hold something, or will. Those that hold nothing are given up if nothing
    /// can be added to them. At a start, after all deliveries have their cursors.
    ///
    /// - Parameter goesOn: whether events of its route are accepted all the same: a mirror was removed, and its route was not.
    package func removedCursors(
        isolation: isolated (any Actor)? = #isolation, _ isConfigured: (SpoolCursor) -> Bool, goesOn: (SpoolCursor) -> Bool = { _ in false }
    ) async throws(ForebayError) -> [SpoolCursor] {
        var held: [SpoolCursor] = []
        for cursor in self.allCursors where !isConfigured(cursor) {
            let isHeld = if goesOn(cursor) { true } else { try self.waits(for: cursor) }
            if isHeld { held.append(cursor) } else { try await self.forget(cursor) }
        }
        return held
    }
}
