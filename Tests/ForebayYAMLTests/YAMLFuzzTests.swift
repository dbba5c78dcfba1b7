import ForebayCore
import ForebayYAML
import Testing

/// Documents broken in every way a seed finds: no trap, no hang, every problem at a place that exists.
@Suite struct YAMLFuzzTests {
    private static let sample = """
        version: 1
        node: { name: edge-1, data_dir: "/var/lib/forebay" }   # a comment
        limits:
          body: 8MiB
          text: |
            block
              text
          folded: >-
            one
            two
        clusters:
          main: { properties: { bootstrap.servers: "k1:9092,k2:9092" }, producer: {} }
        routes:
          orders: { topics: ["orders", "payments.*"], forward: { to: main } }
        list: [ 'a', "b\\u00e9", ~ , {x: y} ]
        """

    @Test(arguments: 0..<8)
    func mutatedDocuments(_ seed: Int) {
        var random = SplitMix(state: UInt64(seed) &* 7919 &+ 17)
        let pieces = [
            "{", "}", "[", "]", ": ", "- ", "? ", "&a ", "*a", "!!x ", "<<: ", "\t", "\n", "\"", "'", "|", ">", "%", "---\n", "\u{0}",
            "\u{FEFF}",
        ]
        for _ in 0..<400 {
            var bytes = Array(Self.sample.utf8)
            for _ in 0..<Int.random(in: 1...8, using: &random) {
                let at = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: bytes[at] = UInt8.random(in: 0...255, using: &random)
                case 1: bytes.insert(contentsOf: Array(pieces.randomElement(using: &random)!.utf8), at: at)
                case 2: bytes.removeSubrange(at..<min(bytes.count, at + Int.random(in: 1...12, using: &random)))
                default:
                    bytes.insert(contentsOf: bytes[at..<min(bytes.count, at + 40)], at: Int.random(in: 0..<bytes.count, using: &random))
                }
                if bytes.isEmpty { bytes = [0x20] }
            }
            self.check(bytes)
        }
    }

    @Test func everyPrefix() {
        let bytes = Array(Self.sample.utf8)
        for count in 0...bytes.count { self.check(Array(bytes.prefix(count))) }
    }

    private func check(_ bytes: [UInt8]) {
        let document = bytes.withUnsafeBytes { YAMLDocument.parse($0) }
        let lines = bytes.count { $0 == 0x0A || $0 == 0x0D } + 4
        for problem in document.problems {
            let isInside = (1...lines).contains(problem.mark.line) && (1...bytes.count + 2).contains(problem.mark.column)
            #expect(isInside && !problem.message.isEmpty, "\(problem) in \(bytes)")
        }
    }

    @Test(arguments: 0..<4)
    func scalarsWrittenReadBackAsTheSame(_ seed: Int) {
        var random = SplitMix(state: UInt64(seed) &+ 1)
        let alphabet: [Character] = Array("ab0-.:#,[]{}&*!|>'\"%@` \n\t\\ü€😀\u{0}\u{85}\u{2028}\u{200F}~?=<$/_")
        for _ in 0..<500 {
            let text = String((0..<Int.random(in: 0...12, using: &random)).map { _ in alphabet.randomElement(using: &random)! })
            for document in ["a: \(YAMLText.scalar(text))\n", "{a: [\(YAMLText.scalar(text))]}"] {
                let parsed = YAMLDocument.parse(document)
                #expect(parsed.problems.isEmpty, "\(document)")
                #expect(parsed.root.flatMap(firstScalar)?.text == text)
                #expect(parsed.root.flatMap(firstScalar).map { $0.isQuoted || !$0.text.isEmpty } == true)
            }
        }
    }

    @Test func messagesCarryNoControlCharacters() {
        #expect(YAMLText.quoted("a\u{1B}[31m\u{202E}x") == #""a\x1b[31m\u202ex""#)
        #expect(YAMLText.quoted(String(repeating: "x", count: 80)).count == 63)
    }
}

private func firstScalar(_ node: YAMLNode) -> YAMLScalar? {
    switch node.content {
    case .scalar(let scalar): scalar
    case .sequence(let items): items.first.flatMap(firstScalar)
    case .mapping(let entries): entries.first.flatMap { firstScalar($0.value) }
    }
}

private struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        self.state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = self.state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
