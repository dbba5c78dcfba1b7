import CRDKafka
import ForebayTelemetry

/// The properties of a cluster's clients as the user gave them. All of librdkafka's pass through, except those that the
/// promise rests on (``KafkaPropertyRules``).
package struct KafkaProperties: Sendable, Equatable {
    /// Which of the cluster's maps a property stands in.
    package enum Section: String, Sendable {
        case properties, producer
    }

    /// What is wrong with one property, or (without a name) with all together.
    package struct Problem: Error, Sendable, Equatable, CustomStringConvertible {
        package let section: Section?
        package let name: String?
        /// Never holds the value of a secret.
        package let message: String

        package var description: String { self.message }
    }

    /// Client-wide, `clusters.<name>.properties`.
    package var client: [String: String]
    /// `clusters.<name>.producer`; it wins.
    package var producer: [String: String]
    /// The files that secrets among them were read from, by property.
    package var secretFiles: [String: String]
    /// The cluster's name in the configuration, for messages; none where it goes without saying.
    package var cluster: String?

    package init(
        client: [String: String], producer: [String: String] = [:], secretFiles: [String: String] = [:], cluster: String? = nil
    ) {
        self.client = client
        self.producer = producer
        self.secretFiles = secretFiles
        self.cluster = cluster
    }

    /// With the secrets that their files hold now; one that can't be read stays as it was.
    func withSecretsOfNow() -> KafkaProperties {
        var properties = self
        for (name, path) in self.secretFiles {
            guard let secret = KafkaPassword.read(path) else { continue }
            if properties.producer[name] != nil { properties.producer[name] = secret } else { properties.client[name] = secret }
        }
        return properties
    }

    /// Whether a property's value must not be shown.
    package static func isSecret(_ name: String) -> Bool {
        ["password", "secret", ".pem", "sasl.oauthbearer.config", "token"].contains { name.hasSuffix($0) || name.contains($0 + ".") }
    }

    /// Checks the properties without a network: names and values by librdkafka, files that they name, our own rules.
    ///
    /// Starts and ends a client without brokers, so it takes some milliseconds.
    package func validate() -> [Problem] {
        var problems = self.refusals()
        let configuration = KafkaConfHandle()
        for (section, name, value) in self.inOrder {
            guard let reason = Self.refusal(name, value, configuration) else { continue }
            problems.append(Problem(section: section, name: name, message: Self.redact(reason, name: name, value: value)))
        }
        problems += self.aliasProblems() + self.addressProblems() + self.saslProblems() + self.fileProblems()
        guard problems.isEmpty else { return problems }
        if self["bootstrap.servers"] == nil, self["metadata.broker.list"] == nil {
            problems.append(
                Problem(
                    section: .properties, name: "bootstrap.servers",
                    message: "bootstrap.servers is missing: name at least one broker, host:port"))
        }
        if let reason = self.refusedTogether() { problems.append(Problem(section: nil, name: nil, message: reason)) }
        return problems
    }

    /// In words that name the property as it was written, and say what it takes.
    private static func refusal(_ name: String, _ value: String, _ configuration: borrowing KafkaConfHandle) -> String? {
        let table = KafkaPropertyTable.known
        if let refusal = table.refusal(of: name, value) { return refusal }
        return configuration.set(name, value).map { table.explanation(of: name, JSONText.quoted(value)) ?? $0 }
    }

    /// A property as the producer gets it.
    package subscript(name: String) -> String? { self.producer[name] ?? self.client[name] }

    /// Everything the user gave, in the order in which it is set.
    var inOrder: [(section: Section, name: String, value: String)] {
        self.client.sorted { $0.key < $1.key }.map { (.properties, $0.key, $0.value) }
            + self.producer.sorted { $0.key < $1.key }.map { (.producer, $0.key, $0.value) }
    }

    /// A configuration for a producer: our defaults, the user's properties, what the promise rests on, and `last`.
    func configure(_ last: [(String, String)]) throws(ForebayConfigurationProblem) -> KafkaConfHandle {
        let configuration = KafkaConfHandle()
        let user = self.inOrder.map { ($0.name, $0.value) }
        for (name, value) in KafkaPropertyRules.defaults + user + KafkaPropertyRules.fixed + last {
            guard let reason = configuration.set(name, value) else { continue }
            throw ForebayConfigurationProblem(message: Self.redact(reason, name: name, value: value))
        }
        return configuration
    }

    private func refusals() -> [Problem] {
        self.inOrder.compactMap { section, name, value in
            guard let rule = KafkaPropertyRules.rule(for: name), !rule.allows(value) else { return nil }
            let remedy = rule.value.isEmpty ? "remove it" : "remove it, or set it to \(rule.value)"
            return Problem(section: section, name: name, message: "\(name) is Forebay's own: \(rule.reason); \(remedy)")
        }
    }

    /// What librdkafka only sees when it starts: contradictions, and files that can't be read.
    private func refusedTogether() -> String? {
        var offline = self
        for name in ["bootstrap.servers", "metadata.broker.list"] {
            offline.client[name] = nil
            offline.producer[name] = nil
        }
        do {
            let client = try offline.configure([("log_level", "0")]).startProducer()
            rd_kafka_destroy(client)
            return nil
        } catch let problem as ForebayConfigurationProblem {
            return problem.message
        } catch {
            return (error as? KafkaFailure)?.reason ?? "\(error)"
        }
    }

    private static func redact(_ reason: String, name: String, value: String) -> String {
        self.isSecret(name) ? self.hiding(value, in: reason) : reason
    }

    /// A text without a secret. One of a few letters is hidden where it stands as a word: inside of others it would be told by what is
    /// missing.
    package static func hiding(_ secret: String, in text: String) -> String {
        guard !secret.isEmpty else { return text }
        let pieces = text.split(separator: secret, omittingEmptySubsequences: false)
        guard secret.count < 4 else { return pieces.joined(separator: "***") }
        func isInWord(_ character: Character?) -> Bool { character.map { $0.isLetter || $0.isNumber } ?? false }
        return pieces.dropFirst().reduce(String(pieces[0])) { done, piece in
            done + (isInWord(done.last) || isInWord(piece.first) ? secret : "***") + piece
        }
    }
}

/// A property that librdkafka doesn't take.
struct ForebayConfigurationProblem: Error {
    let message: String
}
