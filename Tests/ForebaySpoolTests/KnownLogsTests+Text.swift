import ForebayCore
import Testing

@testable import ForebaySpool

extension KnownLogsTests {
    @Test("its text is read as it was written; what is not whole is nothing")
    func text() throws {
        var registry = LogRegistry()
        registry.generation = 12
        let id = Array("8N1ZQ5F3W7YKD2RC".utf8).withUnsafeBytes { SpoolID(characters: $0) }
        registry.logs = ["spool": id, "setaside/a b%": id, "deadletters/\u{e9}": id]
        registry.ends = ["spool": 41_923]
        let text = String(decoding: registry.encoded, as: UTF8.self)
        #expect(
            text.hasPrefix(
                "forebay-logs 1\ngeneration 12\nlog deadletters/%c3%a9 8N1ZQ5F3W7YKD2RC\nlog setaside/a%20b%25 8N1ZQ5F3W7YKD2RC\n"
                    + "log spool 8N1ZQ5F3W7YKD2RC 41923\ncrc32c "))
        #expect(LogRegistry(decoding: registry.encoded) == registry)
        for lines in [
            [], ["forebay-logs 1"], ["forebay-logs 2", "generation 1"], ["forebay-logs 1", "generation x"],
            ["forebay-logs 1", "generation 1", "log spool short"], ["forebay-logs 1", "generation 1", "log spool"],
            ["forebay-logs 1", "generation 1", "log spool 8N1ZQ5F3W7YKD2RC x"],
            ["forebay-logs 1", "generation 1", "log spool 8N1ZQ5F3W7YKD2RC 1 1"],
            ["forebay-logs 1", "generation 1", ""],
            ["forebay-logs 1", "generation 1", "log %z 8N1ZQ5F3W7YKD2RC"],
            ["forebay-logs 1", "generation 1 2", "log spool 8N1ZQ5F3W7YKD2RC"], ["forebay-logs 1", "generation"],
            ["forebay-logs 1", "version 1", "log spool 8N1ZQ5F3W7YKD2RC"],
            ["forebay-logs 1", "generation 1", "log spool 8N1ZQ5F3W7YKD2RC \(SpoolFormat.highestMark)"],
        ] {
            #expect(LogRegistry(decoding: CheckedText.encode(lines)) == nil, "\(lines)")
        }
        let later = ["forebay-logs 1", "generation 1", "logs", "cursor x 1", "log spool 8N1ZQ5F3W7YKD2RC"]
        #expect(LogRegistry(decoding: CheckedText.encode(later))?.logs == ["spool": id], "what a later version says is passed over")
        registry.ends = ["spool": SpoolFormat.highestMark - 1]
        #expect(LogRegistry(decoding: registry.encoded) == registry)
        var empty = LogRegistry()
        empty.generation = 3
        #expect(LogRegistry(decoding: empty.encoded) == empty && LogRegistry().generation == 0)
        // The same log under two names: the higher end counts.
        registry.ends["setaside/a b%"] = 7
        #expect(registry.knownEnds == [id: SpoolFormat.highestMark - 1])
        for place in registry.encoded.indices {
            var bytes = registry.encoded
            bytes[place] ^= 1
            #expect(LogRegistry(decoding: bytes) == nil)
            #expect(LogRegistry(decoding: Array(registry.encoded[..<place])) == nil)
        }
    }
}
