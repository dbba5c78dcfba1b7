import ForebayCore
import ForebayTestKit

/// What a process that ended in order had set aside, those after it do not take from the spool again.
extension Model {
    /// Before a process begins.
    ///
    /// - Parameter aside: the segments of what is set aside, with whose they are.
    func findAside(_ aside: () -> [(delivery: LineDelivery, bytes: [UInt8])]) {
        self.asideBefore = [:]
        if !self.endedInOrder, !self.isDamaged {
            for segment in aside() { self.asideBefore[segment.delivery.stage, default: []].formUnion(self.numbers(in: segment.bytes)) }
        }
        self.endedInOrder = false
    }

    /// A process has ended in order, and these ids are set aside.
    func rest(_ ids: [String], of stage: DeliveryName.Stage, _ names: [String]) {
        let before = self.asideBefore[stage] ?? []
        for id in ids {
            guard let event = self.eventsOfIDs[id], !before.contains(event) else { continue }
            self.events[event][stage]?.asideOf = names
        }
        if !ids.isEmpty { self.coverage.hit("events set aside at a clean stop") }
    }

    /// The process has ended in order, and all of its routes have told what is set aside.
    func rested() { self.endedInOrder = true }

    /// A process is over. What it could not read of what was settled it may have written over with less.
    func ended() {
        if self.hasMissedReads?() ?? false {
            for place in self.events.indices {
                self.events[place].forward.asideOf = nil
                self.events[place].mirror?.asideOf = nil
            }
        }
        self.hasMissedReads = nil
    }

    /// The spool hands events out to be delivered.
    func hand(_ batch: Batch, of stage: DeliveryName.Stage, _ names: [String]) {
        batch.forEachEvent { event, sequence in
            guard let value = event.value, value.count >= 8 else { return }
            let number = Int(clamping: value.loadUnaligned(as: UInt64.self))
            guard self.events.indices.contains(number) else { return }
            let known = self.events[number]
            // Also of one that nobody was answered for.
            self.events[number].sequence = sequence
            guard !self.isDamaged, let copy = known[stage], copy.asideOf == names, copy.forgetting == .no else { return }
            guard !(self.hasMissedReads?() ?? false) else { return }
            self.violate("event \(number), set aside when a process ended in order, is taken from the spool again at \(sequence)")
        }
    }
}
