import ForebayCore
import ForebayDelivery
import ForebayForward
import ForebayKafka
import ForebaySpool
import ForebayTelemetry
import ForebayTestKit

/// What is wrong when a round is over.
extension RouteRound {
    func check() {
        var stored: Set<Int> = [], last: [String: Int] = [:]
        for record in self.kafka.log {
            let value = String(decoding: record.value ?? [], as: UTF8.self)
            guard let number = Int(value.dropFirst().prefix { $0 != "-" }), number < self.events.count else {
                self.violations.append("nobody sent '\(value.prefix(20))'")
                continue
            }
            let event = self.events[number]
            let key = record.key.map { String(decoding: $0, as: UTF8.self) }
            if value != event.value || key != event.key || record.topic != event.topic || record.timestamp != event.timestamp {
                self.violations.append("\(number) arrived changed")
            }
            if record.id != EventID.text(origin: self.spool, sequence: UInt64(number)) {
                self.violations.append("\(number) has the id \(record.id)")
            }
            guard stored.insert(number).inserted else {
                self.coverage.hit("repeats")
                continue
            }
            guard let key else { continue }
            let line = "\(record.topic) \(key)"
            if let before = last[line], before > number {
                if self.remade.contains(record.topic) {
                    self.coverage.hit("out of order in a topic made again")
                } else {
                    self.violations.append("\(number) of \(line) came first after \(before)")
                }
            }
            last[line] = number
        }
        let letters = Set(self.letters.letters.map(\.eventID))
        for number in self.events.indices {
            let isDead = letters.contains(EventID.text(origin: self.spool, sequence: UInt64(number)))
            if isDead, !self.poison.contains(number) { self.violations.append("\(number) is dead and no broker refused it for good") }
            if self.poison.contains(number), !isDead { self.violations.append("\(number) is poison and not in the dead letters") }
            if !isDead, !stored.contains(number) { self.violations.append("\(number) is lost") }
        }
        self.tellLog()
        self.coverage.hit("events", self.events.count)
        self.coverage.hit("dead", letters.count)
    }

    private func tellLog() {
        guard let tell else { return }
        for (place, record) in self.kafka.log.enumerated() {
            let number = String(decoding: record.value ?? [], as: UTF8.self).prefix { $0 != "-" }
            let key = record.key.map { String(decoding: $0, as: UTF8.self) } ?? "-"
            tell("\(place): \(record.topic)/\(record.partition)@\(record.offset) \(key) \(number) by \(record.producer)")
        }
    }
}
