/// What a cluster's properties make impossible, in words that say what to do.
package struct KafkaPropertyProblem: Sendable, Equatable {
    /// `properties` or `producer`; none where the fault lies in several together.
    package let section: String?
    package let property: String?
    package let message: String

    package init(section: String?, property: String?, message: String) {
        self.section = section
        self.property = property
        self.message = message
    }
}

/// Judges a cluster's properties: those for every client and those for producers, which win. Whoever knows librdkafka gives it.
package typealias KafkaPropertyCheck =
    @Sendable (_ properties: [String: String], _ producer: [String: String]) -> [KafkaPropertyProblem]
