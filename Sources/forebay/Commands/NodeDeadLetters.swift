/// Of a running node, by its admin API.
struct NodeDeadLetters: DeadLetterSource {
    let arguments: ParsedArguments

    init(_ arguments: ParsedArguments) {
        self.arguments = arguments
    }

    func letters(route: String?, limit: Int) throws -> [ShownDeadLetter] { [] }
    func letter(route: String, number: UInt64) throws -> ShownDeadLetter? { nil }
}
