import ForebayCore
import ForebayKafka
import ForebayTestKit
import Foundation
import Testing

@Suite("Partitions as Java's clients pick them")
struct KafkaPartitionerTests {
    private static func hash(_ key: [UInt8]) -> UInt32 { key.withUnsafeBytes { KafkaPartitioner.murmur2($0) } }
    private static func hash(_ key: String) -> UInt32 { Self.hash(Array(key.utf8)) }

    /// From the tests of Java's own `Utils.murmur2`.
    @Test(
        "known hashes",
        arguments: [
            ("21", -973932308), ("foobar", -790332482), ("a-little-bit-long-string", -985981536),
            ("a-little-bit-longer-string", -1486304829), ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
            ("abc", 479470107),
        ])
    func knownHashes(key: String, hash: Int32) {
        #expect(Self.hash(key) == UInt32(bitPattern: hash))
    }

    @Test("an empty key is a key")
    func emptyKey() {
        #expect(Self.hash("") == 0x106e_08d9)
        #expect([UInt8]().withUnsafeBytes { KafkaPartitioner.partition(of: $0, among: 6) } == Int32(0x106e_08d9 % 6))
    }

    @Test(
        "two thousand random keys land where Java's own Utils puts them",
        .enabled(if: KafkaCluster.home != nil && JavaSource.isAvailable, "needs KAFKA_HOME and a JDK"))
    func asJava() async throws {
        var random = SplitMix(seed: 20_26)
        let keys = (0..<2000).map { _ in (0..<Int.random(in: 0...40, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
        }
        let program = """
            import org.apache.kafka.common.utils.Utils;
            public class Hashes {
                public static void main(String[] arguments) throws Exception {
                    var lines = new java.io.BufferedReader(new java.io.InputStreamReader(System.in));
                    for (String line; (line = lines.readLine()) != null;) {
                        byte[] key = java.util.HexFormat.of().parseHex(line);
                        System.out.println(Utils.toPositive(Utils.murmur2(key)) % 7);
                    }
                }
            }
            """
        let input = keys.map { $0.map { String(format: "%02x", $0) }.joined() + "\n" }.joined()

        let output = try await JavaSource.run(program, named: "Hashes", classPath: KafkaCluster.home! + "/libs/*", input: input)

        let theirs = output.split(separator: "\n").compactMap { Int32($0) }
        let ours = keys.map { key in key.withUnsafeBytes { KafkaPartitioner.partition(of: $0, among: 7) } }
        #expect(theirs == ours)
    }
}
