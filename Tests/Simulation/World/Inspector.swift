import ForebayCore
import ForebaySpool
import ForebayTestKit

/// What `forebay spool`, `routes ls`, `setaside ls` and `deadletters ls` do with a data folder: look, without its lock, and find it sound as
/// long as nothing was damaged.
struct Inspector {
    private let disk: SimulatedDisk
    private let model: Model
    private let lines: [RoundPlan.Line]
    /// Of a node that runs, or that its crash left; in a folder that nobody changes, the counts must be right.
    private let isBesideNode: Bool
    /// As often a folder had been moved when the look began.
    private let moves: Int

    init(_ disk: SimulatedDisk, _ model: Model, _ lines: [RoundPlan.Line], isBesideNode: Bool) {
        self.disk = disk
        self.model = model
        self.lines = lines
        self.isBesideNode = isBesideNode
        self.moves = disk.moves
    }

    /// Whoever holds no folder finds less while one is away.
    private var mayMissFolders: Bool { self.disk.isFolderAway || self.disk.moves != self.moves }

    /// What the folder holds, for people.
    func describe() -> [String] {
        guard let inspection = try? SpoolInspection(directory: "\(SimulatedNode.directory)/spool", disk: self.disk) else { return [] }
        let segments = inspection.segments.map { "\($0.number): \($0.base)..<\($0.end)\($0.isSealed ? "" : " unsealed")" }
        let cursors = inspection.cursors.map { "\($0.name) at \($0.sequence)" }
        return ["  then there are segments \(segments.joined(separator: ", ")); cursors \(cursors.joined(separator: ", "))"]
    }

    func look() {
        let folder = SimulatedNode.directory
        do throws(ForebayError) {
            guard try self.disk.entries("\(folder)/spool/segments")?.isEmpty == false else { return }
            try self.lookAtSpool("\(folder)/spool")
            for side in try SideLogFolder.all(.setAside, in: folder, disk: self.disk) {
                self.check(try SpoolInspection(directory: side.path, disk: self.disk).verify(), of: side.path)
                _ = (try SetAsideLog.list(directory: side.path, disk: self.disk), try side.eventCount(), try side.size())
            }
            for side in try SideLogFolder.all(.deadLetters, in: folder, disk: self.disk) {
                self.check(try SpoolInspection(directory: side.path, disk: self.disk).verify(), of: side.path)
                let letters = try DeadLetters.list(directory: side.path, after: nil, limit: .max, disk: self.disk)
                let count = try side.eventCount()
                if letters.count < count, !self.model.isDamaged, !self.mayMissFolders {
                    self.model.violate("\(side.path) has \(count) dead letters and lists \(letters.count)")
                }
            }
            self.model.coverage.hit(self.isBesideNode ? "inspection beside a running node" : "inspection of a folder at rest")
        } catch {
            // A call may fail beside a node that has a fault.
            guard !self.isBesideNode, !self.model.isDamaged else { return self.model.coverage.hit("inspection failed: \(error.code)") }
            self.model.violate("an inspection fails: \(error)")
        }
    }

    private func lookAtSpool(_ path: String) throws(ForebayError) {
        let inspection = try SpoolInspection(directory: path, disk: self.disk)
        let struck = self.disk.coverage
        let verdict = try inspection.verify()
        self.check(verdict, of: path)
        // Broken groups of a crash's tail are counted, and not dumped.
        var events: UInt64 = 0
        try inspection.dump(from: 0) { _, _, _ in
            events += 1
            return true
        }
        // What could not be read for a moment, or was away, is no event to the one, and was there again for the other.
        if events > verdict.events, self.disk.coverage == struck, !self.mayMissFolders {
            self.model.violate("a dump has \(events) events, the verdict \(verdict.events)")
        }
        let waiting = try inspection.waiting()
        guard !self.isBesideNode, !self.model.isDamaged else { return }
        for cursor in waiting {
            guard let line = self.lines.firstIndex(where: { $0.names.contains(cursor.delivery.route) }) else { continue }
            // One that a power cut set back begins at the oldest event: what is gone was settled.
            let from = max(cursor.sequence, inspection.segments.first?.base ?? 0)
            let place = self.model.place(of: LineDelivery(line, cursor.delivery.stage), at: from)
            // A mirror that stayed under a former name counts what came under that.
            let isFormer = cursor.delivery.stage == .mirror && cursor.delivery.route != self.lines[line].name
            if !(isFormer ? 0...place.lag.upperBound : place.lag).contains(cursor.events) {
                self.model.violate("at rest \(cursor.name) is told to have \(cursor.events) events waiting, right is \(place.lag)")
            }
        }
    }

    private func check(_ verdict: SpoolInspection.Verdict, of path: String) {
        guard let problem = verdict.problems.first, !self.model.isDamaged, !self.mayMissFolders else { return }
        self.model.violate("a false alarm: an inspection of \(path) finds \(problem.reason) in \(problem.file), missing \(problem.missing)")
    }
}
