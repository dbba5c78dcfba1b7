import ForebayCore
import ForebaySpool
import ForebayTelemetry

/// Which side logs the data folder has, and whose they are by the configuration.
struct DataFolderLogs {
    private let routes: [RouteConfiguration]
    private let directory: String
    private let disk: any Disk
    private let logger = Logger(label: "node")

    init(_ configuration: ForebayConfiguration, disk: any Disk = SystemDisk()) {
        self.init(routes: configuration.routes, directory: configuration.node.dataDirectory, disk: disk)
    }

    init(routes: [RouteConfiguration], directory: String, disk: any Disk = SystemDisk()) {
        self.routes = routes
        self.directory = directory
        self.disk = disk
    }

    func folder(_ kind: SideLogFolder.Kind, _ route: String) -> SideLogFolder {
        SideLogFolder(kind, of: route, in: self.directory, disk: self.disk)
    }

    /// Before any is opened: routes take over what they left under former names, and what a kill left of a giving up goes.
    func prepare() throws(ForebayError) {
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
        switch try self.folder(kind, route).takeOver(old) {
        case .nothing: return
        case .taken:
            self.logger.info("a route has taken over what it left under a former name", ["route": route, "formerly": former, "what": what])
        case .refused:
            self.logger.warning(
                "a route can't take over what it left under a former name, because it has such of its own; that stays under the former name: "
                    + "it is taken over by a start that finds the route's own empty; or deliver it under its old name, or give it up by "
                    + "'forebay routes forget'",
                ["route": route, "formerly": former, "what": what, "folder": old.path])
        }
    }

    /// The routes that have a side log and are not configured, by name.
    func removedRoutes() throws(ForebayError) -> [String] {
        var names: Set<String> = []
        for kind in SideLogFolder.Kind.allCases {
            names.formUnion(try SideLogFolder.all(kind, in: self.directory, disk: self.disk).map(\.route))
        }
        return names.subtracting(self.routes.map(\.name)).sorted()
    }
}
