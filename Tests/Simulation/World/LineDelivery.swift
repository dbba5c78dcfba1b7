import ForebayCore

/// What the model counts: one delivery of a line, through all the names that its route has.
struct LineDelivery: Hashable, Sendable, CustomStringConvertible {
    let line: Int
    let stage: DeliveryName.Stage

    init(_ line: Int, _ stage: DeliveryName.Stage) { (self.line, self.stage) = (line, stage) }

    var description: String { "\(self.stage.rawValue) of line \(self.line)" }
}

extension RoundPlan.Line {
    func name(_ stage: DeliveryName.Stage) -> DeliveryName { DeliveryName(stage, of: self.name) }

    func formerly(_ stage: DeliveryName.Stage) -> [DeliveryName] { self.formerly.map { DeliveryName(stage, of: $0) } }

    /// All that it has as it is configured; the forward first.
    var stages: [DeliveryName.Stage] { self.isMirrored ? [.forward, .mirror] : [.forward] }

    func cluster(_ stage: DeliveryName.Stage) -> Int { stage == .mirror ? Clusters.backup : self.cluster }
}

extension RoundPlan.Life {
    /// In the order in which a node opens them.
    var deliveries: [LineDelivery] { self.configured.flatMap { line in self.lines[line].stages.map { LineDelivery(line, $0) } } }

    func line(of delivery: DeliveryName) -> Int? { self.lines.firstIndex { $0.names.contains(delivery.route) } }

    /// What can be given up: all of a removed route, or one stage of what is not configured.
    ///
    /// - Parameter mirrors: lines that ever have one.
    func removed(mirrors: some Collection<Int>) -> [[LineDelivery]] {
        let (routes, mirrors) = (self.removed, mirrors.filter { $0 < self.lines.count }.sorted())
        let whole = routes.map { line in
            [LineDelivery(line, .forward)] + (mirrors.contains(line) ? [LineDelivery(line, .mirror)] : [])
        }
        let parts = routes.filter(mirrors.contains).map { [LineDelivery($0, .forward)] }
        return whole + parts
            + mirrors.filter { !self.configured.contains($0) || !self.lines[$0].isMirrored }.map { [LineDelivery($0, .mirror)] }
    }
}
