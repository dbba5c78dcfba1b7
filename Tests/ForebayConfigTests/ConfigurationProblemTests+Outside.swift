import ConfigurationWorld
import Testing

@testable import ForebayConfig

/// What stands outside of the configuration, and makes it wrong or unwise.
extension ConfigurationProblemTests {
    @Test func anAdminListenerThatOthersReach() throws {
        for (address, isTold) in [
            ("127.0.0.1:1", false), ("127.8.0.1:1", false), ("localhost:1", false), ("[::1]:1", false), ("[0:0::1]:1", false),
            ("0.0.0.0:1", true), ("[::]:1", true), ("10.1.2.3:1", true), ("[fe80::1]:1", true),
        ] {
            let text = minimal + "\nlisteners: { ingest: { address: '0.0.0.0:2' }, admin: { address: '\(address)' } }\n"
            let warnings = try ConfigurationWorld(files: ["f": text]).load(["f"]).warnings.map(\.description)
            #expect(warnings.count == (isTold ? 1 : 0), "\(address)")
            if isTold {
                #expect(warnings[0].contains(" listeners.admin.address: \(address) is not loopback, and there is no authentication"))
            }
        }
    }

    @Test(
        "a file that a property names and that is not there: the property, as it was written, and that alone",
        arguments: [
            (
                "security.protocol: sasl_plaintext, sasl.mechanisms: PLAIN, sasl.username: u, sasl.password_file: /nope",
                "sasl.password_file"
            ),
            ("security.protocol: ssl, ssl.ca.location: /nope", "ssl.ca.location"),
            (
                "security.protocol: SASL_SSL, sasl.mechanisms: PLAIN, sasl.username: u, sasl.password: p, ssl.key.location: /nope",
                "ssl.key.location"
            ),
        ])
    func filesThatAreNotThere(_ properties: String, _ property: String) {
        let text =
            "version: 1\nclusters:\n  m:\n    properties: { bootstrap.servers: 'k:1', \(properties) }\n"
            + "routes: { r: { topics: ['*'], forward: { to: m } } }\n"
        let problems = ConfigurationWorld(files: ["f": text], check: KafkaPropertyJudge.check).problems(["f"])
        #expect(problems.count == 1, "\(problems)")
        #expect(
            problems.first?.hasPrefix("f:4:") == true
                && problems.first?.hasSuffix(" clusters.m.properties.\(property): cannot read /nope: No such file or directory") == true,
            "\(problems)")
    }
}
