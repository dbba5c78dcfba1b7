import Foundation
import Testing

@testable import ForebayTelemetry

@Suite("Log format")
struct LogFormatTests {
    private let instant: Int64 = 1_785_576_600_125

    private func line(_ style: LogStyle, _ record: LogRecord, repeated: LogFold.Repeats? = nil) -> String {
        String(decoding: style.line(record, at: self.instant, repeated: repeated), as: UTF8.self)
    }

    @Test("JSON, exact")
    func json() {
        let record = LogRecord(.warning, "spool", "torn tail cut", ["segment": "00000003", "bytes": "512"])
        #expect(
            self.line(.json, record)
                == #"{"ts":"2026-08-01T09:30:00.125Z","level":"warning","logger":"spool","msg":"torn tail cut","segment":"00000003","bytes":"512"}"#
                + "\n")
        #expect(
            self.line(.json, record, repeated: .init(count: 512, isVarious: false, last: self.instant)).hasSuffix(
                #""bytes":"512","repeated":512,"last":"2026-08-01T09:30:00.125Z"}"# + "\n"))
    }

    @Test("text, exact")
    func text() {
        let record = LogRecord(.error, "kafka", "broker refused", ["broker": "k1:9092", "error": "not authorised, \"sorry\"", "empty": ""])
        #expect(
            self.line(.text(colour: false), record)
                == #"2026-08-01T09:30:00.125Z ERROR kafka: broker refused broker=k1:9092 error="not authorised, \"sorry\"" empty="""# + "\n"
        )
        #expect(
            self.line(
                .text(colour: false), LogRecord(.info, "a", "b"), repeated: .init(count: 512, isVarious: true, last: self.instant - 1))
                == "2026-08-01T09:30:00.125Z INFO  a: b (repeated 512 times with other data, last at 2026-08-01T09:30:00.124Z)\n")
    }

    @Test("colour only where it was asked for")
    func colour() {
        let record = LogRecord(.info, "a", "b", ["c": "d"])
        #expect(self.line(.text(colour: true), record).contains("\u{1B}["))
        #expect(!self.line(.text(colour: false), record).contains("\u{1B}"))
    }

    @Test("what a client sent can neither end the line nor steer the terminal", arguments: [LogStyle.text(colour: false), .json])
    func injection(style: LogStyle) {
        let hostile = "x\n2026-08-01T09:30:00.125Z ERROR admin: all is lost\r\u{1B}[2J\u{9B}31m\u{202E}\u{0}\u{2028}"
        let line = self.line(style, LogRecord(.warning, hostile, hostile, [hostile: hostile]))
        #expect(line.hasSuffix("\n"))
        #expect(!line.dropLast().unicodeScalars.contains { $0.isObeyed })
    }

    @Test("members of the line's own names don't stand twice")
    func reservedNames() throws {
        let line = self.line(.json, LogRecord(.info, "a", "b", ["level": "9", "msg": "no", "repeated": "maybe"]))
        let object = try parsedJSON(line)
        #expect(object["level"] as? String == "info")
        #expect(object["data.level"] as? String == "9")
        #expect(object["data.msg"] as? String == "no")
        #expect(object["data.repeated"] as? String == "maybe")
    }

    @Test("long values are cut between scalars, and the cut is said")
    func bounds() {
        let record = LogRecord(.info, "a", "b", ["long": String(repeating: "€", count: 5000), "short": "€"])
        let value = record["long"]!
        #expect(value.utf8.count < LogRecord.valueBound + 32)
        #expect(value.hasSuffix("… (15000 bytes)"))
        #expect(value.dropLast("… (15000 bytes)".count).allSatisfy { $0 == "€" })
        #expect(record["short"] == "€")
    }

    @Test("what is named like a secret is not written")
    func secrets() {
        let record = LogRecord(.info, "a", "b", ["sasl.password": "hunter2", "Authorization": "Bearer x", "api_token": "y", "tokens": "3"])
        #expect(record.data.map(\.value) == ["***", "***", "***", "3"])
    }

    @Test("auto is text on a terminal and JSON otherwise; NO_COLOR and dumb terminals are honoured")
    func resolve() {
        func style(_ format: LogFormat, _ isTerminal: Bool, _ environment: [String: String] = [:]) -> LogStyle {
            LogStyle.resolve(format, isTerminal: isTerminal) { environment[$0] }
        }
        #expect(style(.auto, true) == .text(colour: true))
        #expect(style(.auto, false) == .json)
        #expect(style(.text, false) == .text(colour: false))
        #expect(style(.json, true) == .json)
        #expect(style(.auto, true, ["NO_COLOR": "1"]) == .text(colour: false))
        #expect(style(.auto, true, ["NO_COLOR": ""]) == .text(colour: true))
        #expect(style(.auto, true, ["TERM": "dumb"]) == .text(colour: false))
    }
}
