import ForebayCore

/// One thing that somebody should know of, as the four questions of whoever was called have it.
struct Trouble {
    /// What is stuck, or lost.
    let what: String
    /// As the node writes times.
    var since: String?
    var why: String?
    /// What to do about it.
    var remedy: String?
    /// Events are refused, lost, or wait for somebody.
    var isSevere = true

    /// For so long after a start, in seconds, a delivery that tells of no error may be about to ask its cluster for the first time.
    private static let settling = 5.0

    /// The worst first: what is refused, what is lost, what waits, what nobody delivers any more, what is set aside.
    ///
    /// - Parameters:
    ///   - status: of `GET /admin/v1/status`.
    ///   - setAside: of `GET /admin/v1/setaside`; none if that could not be asked.
    ///   - hint: a command for the same node, in quotes.
    static func all(of status: JSONValue, setAside: JSONValue?, hint: (String) -> String) -> [Trouble] {
        let routes = status["routes"]?.items ?? []
        let configured = routes.filter { $0["state"]?.text != "removed" }
        let removed = routes.filter { $0["state"]?.text == "removed" }.map { Self.removed($0, hint) }
        let isSettling = (status["uptime_seconds"]?.real ?? .infinity) < Self.settling
        let waiting = configured.compactMap { Self.waiting($0, isSettling: isSettling) }
        let told = Set(
            configured.filter { Self.waiting($0, isSettling: isSettling) != nil }.map {
                "\($0["stage"]?.text ?? "")/\($0["route"]?.text ?? "")"
            })
        let stages = (status["stages"]?.items ?? []).filter { !told.contains($0["name"]?.text ?? "") }.compactMap(Self.failing)
        // What waits of a removed route is told of once.
        let aside = Self.aside(configured, setAside, away: Self.away(status), hint)
        return Self.buffer(status) + Self.alarms(status) + Self.unready(status, stages) + waiting + removed + stages + aside
            + Self.twins(status) + Self.released(configured) + Self.deadLetters(configured, hint)
    }

    // MARK: The buffer

    private static func buffer(_ status: JSONValue) -> [Trouble] {
        let culprit = status["culprit"]?["message"]?.text
        let givesWay = status["culprit"]?["gives_way"]?.isTrue ?? false
        guard let buffer = status["buffer"] else { return [] }
        if buffer["accepting"]?.isTrue ?? true {
            return culprit.map { message in
                [
                    Trouble(
                        what: "the \(buffer["name"]?.text ?? "buffer") is filling up: \(Shown.percent(buffer["fill"]?.real ?? 0))",
                        why: message,
                        remedy: givesWay
                            ? "nothing is refused for it: it is not required, and gives up its oldest events where there is no room for new ones; "
                                + "mend what holds it, so that it need not"
                            : "mend what holds it; at its end new events are refused with 503",
                        isSevere: false)
                ]
            } ?? []
        }
        let (capacity, maxSize) = (buffer["capacity"]?.integer ?? 0, buffer["max_size"]?.integer ?? 0)
        let size = "\(Shown.bytes(buffer["bytes"]?.integer ?? 0)) of \(Shown.bytes(max(capacity, maxSize)))"
        // Its own bound is out of reach; or (of a node that tells of no bound) further away than the reserve and a segment.
        let isDisk = maxSize > capacity || (buffer["fill"]?.real ?? 1) < 0.8
        return [
            Trouble(
                what: "new events are refused with 503: " + (isDisk ? "the disk is full" : "the spool is full (\(size))"),
                since: buffer["full_since"]?.text,
                why: isDisk
                    ? "the spool has \(size) that it may take, and the disk gives no more" : culprit ?? "nothing is known to hold it",
                remedy: isDisk
                    ? "make room on the disk of data_dir, or mend what holds the backlog; never delete files of the spool"
                    : "mend what holds it, or raise buffer.spool.max_size if the disk has more, and restart")
        ]
    }

    /// A node that runs and takes no events, though there is room: what it says of that.
    private static func unready(_ status: JSONValue, _ stages: [Trouble]) -> [Trouble] {
        guard status["phase"]?.text == "running", status["ready"] == .boolean(false), status["buffer"]?["accepting"]?.isTrue ?? false,
            stages.isEmpty, let reason = status["reason"]?.text
        else { return [] }
        let remedy =
            reason.hasPrefix("clock:")
            ? "set the clock of this node (timedatectl, NTP); nothing has to be restarted"
            : "see to the disk of data_dir; the log may say more"
        return [Trouble(what: "new events are refused with 503", why: reason, remedy: remedy)]
    }

    // MARK: What waits

    /// A route that stands though it has events, or that tells of an error.
    private static func waiting(_ route: JSONValue, isSettling: Bool) -> Trouble? {
        let (state, lag) = (route["state"]?.text ?? "", route["lag_events"]?.integer ?? 0)
        let error = route["last_error"] ?? .null
        let standing = isSettling ? ["down"] : ["waiting", "restarting", "down"]
        guard error != .null || lag > 0 && standing.contains(state) else { return nil }
        let name = "\(route["stage"]?.text ?? "?") of route \(route["route"]?.text ?? "?") to cluster \(route["cluster"]?.text ?? "?")"
        let oldest = route["oldest_event_age_seconds"]?.real.map { ", the oldest for \(Shown.seconds($0))" } ?? ""
        // A text is what nodes of an earlier version say.
        let reason =
            error.text ?? [error["code"]?.text, error["reason"]?.text].compactMap { $0 }.filter { !$0.isEmpty }.joined(separator: ": ")
        guard lag > 0 else {
            let aside = route["set_aside_events"]?.integer ?? 0
            // Where nothing waits for it, the advice must not say that something does.
            let advice = error["advice"]?.text.map { aside > 0 ? $0 : $0.replacing("; events wait meanwhile", with: "") }
            return Trouble(
                what: "\(name) can deliver nothing now; "
                    + (aside > 0 ? "\(Self.waiting(aside)), set aside" : "no events wait"),
                since: error["since"]?.text, why: reason, remedy: advice, isSevere: aside > 0)
        }
        return Trouble(
            what: "\(name) is \(state): \(Self.waiting(lag))\(oldest)",
            since: error["since"]?.text,
            why: reason.isEmpty ? "not known yet; the log has what the cluster said" : reason,
            remedy: error["advice"]?.text
                ?? (state == "down"
                    ? "restart Forebay once the reason is gone"
                    : reason.contains("read from the disk")
                        ? "see to the disk of data_dir, and to owner and mode of its files; it is tried again by itself"
                        : "nothing here: it is tried again by itself, and the events are on disk"))
    }

    private static func removed(_ route: JSONValue, _ hint: (String) -> String) -> Trouble {
        let name = route.delivery ?? "?"
        let what =
            route["stage"]?.text.flatMap { $0 == "forward" ? nil : "the \($0) of route \(route["route"]?.text ?? "?")" } ?? "route \(name)"
        func count(_ name: String) -> String { Shown.count(route[name]?.integer ?? 0) }
        return Trouble(
            what:
                "\(what) is not configured any more: \(count("lag_events")) events wait, \(count("set_aside_events")) are set aside, "
                + "\(count("dead_letters")) are dead letters",
            why: "they are kept until somebody decides, and hold " + (route["held_bytes"]?.integer.map(Shown.bytes) ?? "room")
                + " of the disk",
            remedy: Self.isDeadLettersAlone(route)
                ? "read them, send again what is wanted, and give them up: \(hint("routes forget \(name) --dry-run")); a route that names it "
                    + "under formerly takes them over only where it has none of its own"
                : "add it back, name it under formerly of the route that took its place, or give it up: "
                    + hint("routes forget \(name) --dry-run"))
    }

    private static func isDeadLettersAlone(_ route: JSONValue) -> Bool {
        ["lag_events", "set_aside_events"].allSatisfy { (route[$0]?.integer ?? 0) == 0 }
    }

    private static func failing(_ stage: JSONValue) -> Trouble? {
        guard let state = stage["state"]?.text, state == "waiting" || state == "stopped" else { return nil }
        return Trouble(
            what: "the stage \(stage["name"]?.text ?? "?") is " + (state == "stopped" ? "stopped" : "down, and is started again by itself"),
            since: stage["since"]?.text, why: stage["last_error"]?.text,
            remedy: state == "stopped" ? "restart Forebay once the reason is gone" : nil)
    }

    // MARK: What is set aside, lost, or given up

    /// - Parameter away: of their units nobody knows whether their clusters still say so.
    private static func aside(
        _ routes: [JSONValue], _ document: JSONValue?, away: Set<String>, _ hint: (String) -> String
    ) -> [Trouble] {
        let events = Self.total("set_aside_events", routes)
        guard events > 0 else { return [] }
        guard let known = document?["routes"]?.items else {
            let units = Shown.count(Self.total("set_aside_units", routes))
            return [
                Trouble(
                    what: "\(Shown.count(events)) events of \(units) topics or partitions are set aside",
                    remedy: "\(hint("setaside ls")) says why, and what to do")
            ]
        }
        let names = Set(routes.compactMap(\.delivery))
        return known.filter { names.contains($0.delivery ?? "") }.flatMap { route -> [Trouble] in
            let (name, units) = (route.delivery ?? "?", route["units"]?.items ?? [])
            var troubles = units.map { Self.unit($0, route: name, isAway: away.contains(name)) }
            let more = (route["units_total"]?.integer ?? 0).subtractingReportingOverflow(units.count)
            if !more.overflow, more.partialValue > 0 {
                troubles.append(
                    Trouble(
                        what: "\(Shown.count(more.partialValue)) more topics or partitions of route \(name) are set aside",
                        remedy: "\(hint("setaside ls --route \(name)")) lists them"))
            }
            return troubles
        }
    }

    private static func unit(_ unit: JSONValue, route: String, isAway: Bool) -> Trouble {
        let topic = unit["topic"]?.text ?? unit["unit"]?.text ?? "?"
        let name = unit["partition"]?.integer.map { "partition \($0) of topic \(topic)" } ?? "topic \(topic)"
        let oldest = unit["oldest_event_age_seconds"]?.real.map { ", the oldest for \(Shown.seconds($0))" } ?? ""
        let isDraining = unit["state"]?.text == "draining"
        return Trouble(
            what: "\(name) (route \(route)) is set aside: \(Self.waiting(unit["events"]?.integer ?? 0))\(oldest)"
                + (isDraining ? "; it drains now" : ""),
            since: unit["since"]?.text,
            why: (isAway ? "when it was tried last: " : "")
                + [unit["code"]?.text, unit["reason"]?.text].compactMap { $0 }.filter { !$0.isEmpty }.joined(separator: ": "),
            remedy: isAway
                ? "first see that the cluster answers: until then nobody knows whether this still holds"
                : isDraining ? nil : unit["advice"]?.text ?? "nothing here: it is tried again by itself",
            isSevere: !isDraining)
    }

    /// What the disk lost or damaged; what is lost first.
    private static func alarms(_ status: JSONValue) -> [Trouble] {
        // Nodes of an earlier version tell of the spool's losses alone.
        guard let alarms = status["alarms"]?.items else { return Self.lost(status) }
        let (lost, others) = (alarms.filter { $0["lost_end"]?.integer != nil }, alarms.filter { $0["lost_end"]?.integer == nil })
        return lost.map { alarm in
            let (first, end) = (alarm["lost_first"]?.integer ?? 0, alarm["lost_end"]?.integer ?? 0)
            // Nodes of an earlier version tell of the range alone.
            let count = alarm["lost_events"]?.integer.map { (partialValue: $0, overflow: false) } ?? end.subtractingReportingOverflow(first)
            let topic = alarm["topic"]?.text.map { " of topic \($0)" } ?? ""
            let lost = count.overflow ? "some" : Shown.count(count.partialValue)
            return Self.alarm(
                alarm,
                "\(lost) \(lost == "1" ? "event\(topic) is" : "events\(topic) are") lost to damage of the disk (from \(first) on)")
        }
            + others.map {
                let log = $0["log"]?.text ?? "a log"
                if let gone = Self.goneLog($0) { return Self.alarm($0, "\(gone) is gone: how much was in it is not known any more") }
                if $0["uncounted"]?.isTrue ?? false {
                    return Self.alarm($0, "events of \(log) may be lost, nobody can say how many: a file that held some is damaged or gone")
                }
                return $0["kind"]?.text == "not_removed"
                    ? Self.alarm($0, "a file of \(log) that nobody needs can't be removed, and keeps its room", isSevere: false)
                    : Self.alarm($0, "a file of \(log) is damaged or gone: nothing more than is said here is lost")
            }
    }

    /// The log of which an alarm says that its folder is gone.
    private static func goneLog(_ alarm: JSONValue) -> String? {
        let path = (alarm["file"]?.text ?? "").split(separator: "/").suffix(2)
        // A route may be called as the spool is.
        if let kind = path.first, ["setaside", "deadletters"].contains(kind), path.count == 2, let folder = path.last {
            return "\(kind)/\(DeliveryName(folder: folder))"
        }
        return path.last == "spool" ? "the spool" : nil
    }

    private static func alarm(_ alarm: JSONValue, _ what: String, isSevere: Bool = true) -> Trouble {
        Trouble(
            what: what, since: alarm["noticed_at"]?.text,
            why: "\(alarm["log"]?.text ?? "?"), \(alarm["file"]?.text ?? "?"): \(alarm["what"]?.text ?? "?")",
            remedy: alarm["advice"]?.text,
            isSevere: isSevere)
    }

    private static func lost(_ status: JSONValue) -> [Trouble] {
        (status["buffer"]?["missing"]?.items ?? []).map { missing in
            let (first, end) = (missing["first"]?.integer ?? 0, missing["end"]?.integer ?? 0)
            // The range is one past the last; a number from outside may have nothing in front of it.
            let last = end.subtractingReportingOverflow(1)
            let isOne = last.partialValue == first
            let events = isOne ? "event \(first) is" : "events \(first) to \(last.overflow ? end : last.partialValue) are"
            return Trouble(
                what: "\(events) lost to damage of the disk",
                why: "\(missing["file"]?.text ?? "?"): \(missing["reason"]?.text ?? "?")",
                remedy: "look at the disk; 'forebay spool verify' with the data_dir tells more, and producers may send them again")
        }
    }

    private static func deadLetters(_ routes: [JSONValue], _ hint: (String) -> String) -> [Trouble] {
        let dead = Self.total("dead_letters", routes)
        guard dead > 0 else { return [] }
        let bytes = Self.total("dead_letter_bytes", routes)
        let room = bytes > 0 ? "; their files hold \(Shown.bytes(bytes))" : ""
        return [
            Trouble(
                what: (dead == 1
                    ? "1 dead letter: Kafka refused this event for good"
                    : "\(Shown.count(dead)) dead letters: Kafka refused these events for good") + room,
                remedy:
                    "\(hint("deadletters ls")) lists them, with the reasons; 'forebay deadletters replay' sends them once more, 'rm' removes them",
                isSevere: false)
        ]
    }

    private static func waiting(_ events: Int) -> String { events == 1 ? "1 event waits" : "\(Shown.count(events)) events wait" }

    /// Numbers from outside may be of any size.
    private static func total(_ name: String, _ routes: [JSONValue]) -> Int {
        routes.reduce(0) { sum, route in
            let (total, overflow) = sum.addingReportingOverflow(max(0, route[name]?.integer ?? 0))
            return overflow ? .max : total
        }
    }
}
