import ForebayCore

/// Brings the units and the segments of a set-aside log together at a start, when both have been opened.
struct SetAsideRecovery {
    let configuration: SpoolConfiguration
    let log: SpoolID
    let view: SpoolView
    let reporter: SpoolReporter

    /// - Returns: the table, with a unit for everything that has frames.
    func run() throws(ForebayError) -> UnitTable {
        let (disk, directory) = (self.configuration.disk, self.configuration.directory)
        let segments = self.view.read { $0.segments }
        var orphans: [SetAsideLog.Unit] = []
        var lost: [UInt64] = []
        let units = try UnitTable(
            disk, directory: directory, log: self.log,
            inventory: { file throws(ForebayError) in
                let inventory = try UnitInventory(table: file, log: self.log, segments: segments, disk: disk)
                (orphans, lost) = (inventory.orphans, inventory.lost)
                return inventory
            }, onDiskFailure: self.configuration.onDiskFailure)
        for unit in orphans {
            self.reporter.report(
                SpoolAlarm(
                    file: "\(directory)/\(UnitTable.file)",
                    text:
                        "the entry of unit \(unit.number) (topic \(unit.topic)) is damaged; its events are taken from the first one on disk"
                ))
        }
        try units.add(orphans)
        try self.giveUp(lost, segments, units)
        self.view.change { state in
            // What is settled was there, also where its segments are gone.
            for unit in units.live {
                let route = RouteID(rawValue: unit.number)
                state.ordinals[route] = max(state.ordinals[route] ?? 0, unit.settled)
            }
        }
        return units
    }

    /// Units of which nothing is known and nothing can be read: named, and their segments kept aside for the operator.
    private func giveUp(_ lost: [UInt64], _ segments: [SegmentInfo], _ units: UnitTable) throws(ForebayError) {
        for number in lost {
            let route = RouteID(rawValue: number)
            for segment in segments {
                guard let end = segment.routes[route] else { continue }
                self.view.damaged(segment.number)
                self.reporter.report(
                    MissingRange(
                        sequences: 0..<end, segment: segment.number, position: 0, reason: "no frame of a set-aside unit can be read",
                        unit: number))
            }
        }
        let ended = lost.map {
            SetAsideLog.Unit(
                number: $0, topic: "", partition: nil, partitionCount: 0, code: "UNKNOWN", reason: "", since: 0, oldestAcceptedAt: 0)
        }
        try units.add(ended, isEnded: true)
    }
}
