import Testing

/// How much state a type holds.
extension PlantedTests {
    @Test("stored properties are counted, computed and static ones and those of nested types are not")
    func counted() {
        let text = """
            package final class Engine: Sendable {
                private let a: Int
                @Wrapped private(set) var b = { 1 }()
                let (c, d) = (1, 2)
                nonisolated(unsafe) weak var e: Engine?
                var f: Int { didSet { self.g() } }
                var f2 = 0 {
                    didSet { self.g() }
                }
                var h: Int { self.a }
                var i: [Int: String] {
                    let j = 1
                    var k = 2
                    return [:]
                }
                static let l = 1
                private static var m: Int { 1 }
                class func n() {}
                // let o = 1
                struct InnerState {
                    var p = 1
                    struct Deeper { let q = 1 }
                }
                enum Kind: String { case r, s }
                func g() {
                    let t = 1
                }
            }
            struct Plain { var u = 1 }
            extension Engine {
                actor Nested {
                    lazy var v = 1
                }
            }
            """
        let owners = StoredProperties.owners(in: SourceFile(path: "Sources/A/Engine.swift", text: text))
        #expect(
            owners.map { "\($0.name) \($0.line) \($0.count)" } == ["A.Engine.InnerState 20 1", "A.Engine 1 7", "A.Engine.Nested 31 1"])
    }

    @Test("a state of too many properties")
    func tooMany() {
        func found(_ head: String, _ count: Int, path: String = "Sources/A/B.swift") -> [Int] {
            let properties = (0..<count).map { "    var a\($0) = 0\n" }.joined()
            return Rules.storedProperties(SourceFile(path: path, text: "\n\(head) {\n\(properties)}\n")).map(\.line)
        }
        for head in ["actor B", "package final class B: Sendable", "struct FlowState", "struct State<Element>"] {
            #expect(found(head, 12).isEmpty && found(head, 13) == [2], "\(head)")
        }
        #expect(found("struct B", 13).isEmpty && found("actor B", 13, path: "Tests/A/B.swift").isEmpty)
    }
}
