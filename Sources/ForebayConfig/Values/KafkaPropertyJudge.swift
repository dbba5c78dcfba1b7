import ForebayKafka

/// Asks librdkafka itself about a cluster's properties while a configuration is loaded.
package enum KafkaPropertyJudge {
    package static let check: KafkaPropertyCheck = { properties, producer in
        KafkaProperties(client: properties, producer: producer).validate().map { problem in
            KafkaPropertyProblem(section: problem.section?.rawValue, property: problem.name, message: problem.message)
        }
    }
}
