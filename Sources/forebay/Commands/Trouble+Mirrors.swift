import ForebayCore

/// What there is to say of routes that deliver to two clusters.
extension Trouble {
    /// What deliveries that are not required gave up.
    static func released(_ routes: [JSONValue]) -> [Trouble] {
        routes.compactMap { route in
            guard let events = route["released_events"]?.integer, events > 0 else { return nil }
            let (stage, name, cluster) = (route["stage"]?.text ?? "?", route["route"]?.text ?? "?", route["cluster"]?.text ?? "?")
            return Trouble(
                what: "\(stage) of route \(name) gave up \(Shown.count(events)) of its oldest events since the start: cluster \(cluster) "
                    + "does not get them",
                why: "there was no room for new events, and it is not required",
                remedy: "the log says which they are ('gave up its oldest'); the main delivery has them. If it is to keep more, raise "
                    + "buffer.spool.max_size",
                isSevere: false)
        }
    }

    /// Deliveries of one route whose clusters are one.
    static func twins(_ status: JSONValue) -> [Trouble] {
        let stages = (status["stages"]?.items ?? []).compactMap { stage -> (name: DeliveryName, id: String)? in
            guard let name = (stage["name"]?.text).flatMap({ DeliveryName(cursor: $0) }) else { return nil }
            return (stage["facts"]?["cluster_id"]?.text).map { (name, $0) }
        }
        return stages.filter { $0.name.stage == .mirror }.compactMap { mirror in
            let forward = DeliveryName(.forward, of: mirror.name.route)
            guard stages.contains(where: { $0.name == forward && $0.id == mirror.id }) else { return nil }
            return Trouble(
                what: "mirror of route \(mirror.name.route) goes to the cluster of its main delivery: each event stands there twice",
                why: "both say that they are the cluster \(mirror.id)",
                remedy: "correct bootstrap.servers of the mirror's cluster, or take the mirror out, and restart")
        }
    }

    /// Deliveries whose cluster does not answer, as commands call them.
    static func away(_ status: JSONValue) -> Set<String> {
        let stages = (status["stages"]?.items ?? []).filter { $0["facts"]?["target_up"] == .boolean(false) }
        return Set(stages.compactMap { ($0["name"]?.text).flatMap { DeliveryName(cursor: $0)?.description } })
    }
}
