import Foundation
import Testing

@testable import ForebayKafka

/// A password that is rotated while the node runs.
@Suite("Password in a file")
struct KafkaPasswordTests {
    private final class File {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("forebay-password-\(UUID().uuidString)").path

        init(_ text: String) throws { try self.write(text) }

        deinit { try? FileManager.default.removeItem(atPath: self.path) }  // Cleaning up is a courtesy.

        func write(_ text: String) throws { try Data(text.utf8).write(to: URL(fileURLWithPath: self.path)) }
    }

    private static func properties(_ file: File, mechanism: String = "PLAIN", isProducers: Bool = false) -> KafkaProperties {
        let secret = ["sasl.password": "old"]
        return KafkaProperties(
            client: ["bootstrap.servers": "k:1", "security.protocol": "SASL_SSL", "sasl.mechanisms": mechanism, "sasl.username": "u"]
                .merging(isProducers ? [:] : secret) { $1 },
            producer: isProducers ? secret : [:], secretFiles: ["sasl.password": file.path])
    }

    @Test("read again it is told once when it is another one, whatever line break ends it; what can't be read changes nothing")
    func renewed() throws {
        let file = try File("old\n")
        let password = try #require(KafkaPassword(Self.properties(file)))
        #expect(password.user == "u" && password.renewed() == nil)
        for (text, expected) in [
            ("new", "new"), ("new\n", nil), ("new\r\n", nil), (" new", " new"), ("", nil), ("\n", nil), ("new", "new"),
            ("\u{e9}\u{1F511}", "\u{e9}\u{1F511}"),
        ] as [(String, String?)] {
            try file.write(text)
            #expect(password.renewed() == expected, "\(text.debugDescription)")
        }
        try FileManager.default.removeItem(atPath: file.path)
        #expect(password.renewed() == nil)
        try file.write("newer")
        #expect(password.renewed() == "newer" && password.renewed() == nil)
        try Data([0xFF, 0xFE]).write(to: URL(fileURLWithPath: file.path))
        #expect(password.renewed() == nil)
    }

    @Test("a producer that is made later begins with the password of then", arguments: [false, true])
    func ofNow(isProducers: Bool) throws {
        let file = try File("new\n")
        let properties = Self.properties(file, isProducers: isProducers)
        #expect(properties.withSecretsOfNow()["sasl.password"] == "new" && properties["sasl.password"] == "old")
        try file.write("")
        #expect(properties.withSecretsOfNow() == properties)
        #expect(KafkaProperties(client: ["a": "b"]).withSecretsOfNow() == KafkaProperties(client: ["a": "b"]))
    }

    @Test("only where the mechanism has a password and it is in a file")
    func whichOnes() throws {
        let file = try File("old")
        for mechanism in ["PLAIN", "plain", "SCRAM-SHA-256", "SCRAM-SHA-512"] {
            #expect(KafkaPassword(Self.properties(file, mechanism: mechanism)) != nil, "\(mechanism)")
        }
        for mechanism in ["GSSAPI", "OAUTHBEARER"] { #expect(KafkaPassword(Self.properties(file, mechanism: mechanism)) == nil) }
        var properties = Self.properties(file)
        properties.secretFiles = [:]
        #expect(KafkaPassword(properties) == nil)
        let advice = KafkaAdvice(properties: Self.properties(file), version: 0x0200_02ff).text(
            for: KafkaFailure(.authentication), topic: nil)
        #expect(advice == "check sasl.username, the password in \(file.path) (read again at each refusal) and sasl.mechanisms")
    }
}
