import ForebayCore
import ForebaySpool

/// In the folder of a node that is down: one log for each delivery in `setaside/`.
struct FolderSetAside {
    private let folders: RouteFolders

    init(folder: String) throws(CommandFailure) {
        self.folders = try RouteFolders(folder: folder, kind: "setaside")
    }

    /// The members that the admin API has, in its order. How many bytes a unit has, and what to do about it, the folder does not tell.
    func list(route: String?, limit: Int) throws -> JSONValue {
        let routes = try self.folders.deliveries(route, what: "events set aside").map { name -> JSONValue in
            // One that is empty goes with the next start.
            let units = try SetAsideLog.list(directory: self.folders.directory(name)).filter { $0.end > $0.settled }
                .sorted { ($0.topic, $0.partition ?? -1) < ($1.topic, $1.partition ?? -1) }
            return [
                "route": .string(name.route), "stage": .string(name.stage.rawValue), "units_total": .number(units.count),
                "events": .number(units.reduce(UInt64(0)) { $0 &+ ($1.end - $1.settled) }), "bytes": .null,
                "units": .array(units.prefix(limit).map(Self.unit)),
            ]
        }
        return ["routes": .array(routes)]
    }

    private static func unit(_ unit: SetAsideLog.Unit) -> JSONValue {
        let age = max(0, Double(WallClock.milliseconds) - Double(unit.oldestAcceptedAt)) / 1000
        return [
            "unit": .string(unit.name), "topic": .string(unit.topic),
            "partition": unit.partition.map { .number($0) } ?? .null, "state": "waiting", "code": .string(unit.code),
            "reason": .string(unit.reason), "advice": .null, "since": .string(Shown.time(unit.since)),
            "events": .number(unit.end - unit.settled), "bytes": .null, "oldest_event_age_seconds": .number("\(age)"),
        ]
    }
}
