/// An event that a broker refused for good, with what is needed to judge it and send it again.
package struct DeadLetter: Sendable {
    package let topic: String
    /// The broker's or librdkafka's name of the error, `MSG_SIZE_TOO_LARGE`.
    package let code: String
    /// For people.
    package let reason: String
    package let eventID: String
    package let offset: Offset
    /// The original record (``RecordLayout``).
    package let record: [UInt8]

    package init(topic: String, code: String, reason: String, eventID: String, offset: Offset, record: [UInt8]) {
        self.topic = topic
        self.code = code
        self.reason = reason
        self.eventID = eventID
        self.offset = offset
        self.record = record
    }
}
