import Foundation
import Synchronization
import Testing

@testable import ForebayTelemetry

@Suite("Logger and sink")
struct LogSinkTests {
    @Test("writes whole JSON lines at and above the level")
    func levels() throws {
        let pipe = LoggedPipe()
        let sink = LogSink(descriptor: pipe.writing, level: .info)
        let logger = Logger(label: "test", sink: sink)
        logger.debug("no")
        logger.info("yes", ["n": "1"])
        sink.configure(level: .error, format: .json)
        logger.warning("no")
        logger.error("also")

        let lines = try pipe.lines().map(parsedJSON)

        #expect(lines.map { $0["msg"] as? String } == ["yes", "also"])
        #expect(lines[0]["n"] as? String == "1")
    }

    @Test("what nobody wants is not evaluated")
    func lazy() {
        let pipe = LoggedPipe()
        let sink = LogSink(descriptor: pipe.writing, level: .info)
        let evaluated = Counter()
        func expensive() -> String {
            evaluated.increment()
            return ""
        }
        Logger(label: "test", sink: sink).debug(expensive(), ["data": expensive()])
        #expect(evaluated.value == 0)

        let capture = LogCapture(sink: sink)
        Logger(label: "test", sink: sink).debug(expensive(), ["data": expensive()])
        #expect(evaluated.value == 2)
        #expect(capture.records.count == 1)
        #expect(pipe.text().isEmpty)  // Captured, and still below the level of the output.
        capture.close()
        Logger(label: "test", sink: sink).debug(expensive())
        #expect(evaluated.value == 2)
    }

    @Test("512 equal errors are two lines")
    func repeated() throws {
        let pipe = LoggedPipe()
        let sink = LogSink(descriptor: pipe.writing, format: .json)
        for _ in 0..<513 { Logger(label: "test", sink: sink).error("write failed", ["error": "EIO"]) }
        sink.flush()

        let lines = try pipe.lines().map(parsedJSON)

        #expect(lines.count == 2)
        #expect(lines[0]["repeated"] == nil)
        #expect(lines[1]["repeated"] as? Int == 512)
        #expect(lines[1]["error"] as? String == "EIO")
    }

    @Test("a recovery is the last word: what was folded before it stands before it, with the time of its last")
    func recovery() throws {
        let pipe = LoggedPipe()
        let sink = LogSink(descriptor: pipe.writing, format: .json)
        let logger = Logger(label: "test", sink: sink)
        for _ in 0..<3 { logger.warning("away", ["route": "r"]) }
        let before = Timestamp.now()
        logger.info("back", ["route": "r"])
        sink.flush()

        let lines = try pipe.lines().map(parsedJSON)

        #expect(lines.map { $0["msg"] as? String } == ["away", "away", "back"])
        #expect(lines[1]["repeated"] as? Int == 2)
        #expect(try #require(lines[1]["last"] as? String) <= Timestamp.rfc3339(before + 1))
    }

    @Test(
        "a reader that hangs stops nobody: lines are kept, then dropped and counted; nothing is torn when it reads again",
        arguments: [true, false])
    func hangingReader(mayReopen: Bool) throws {
        let pipe = LoggedPipe()
        let sink = LogSink(LogOutput(descriptor: pipe.writing, mayReopen: mayReopen), level: .info, format: .json)
        let logger = Logger(label: "test", sink: sink)
        let padding = String(repeating: "x", count: 500)
        for index in 0..<2000 { logger.info("line", ["index": "\(index)", "padding": padding]) }  // 1.2 MB; a pipe takes 64 KiB.

        // Reading lets the kept lines come after; the flush waits for the pipe's room, which only this reading makes.
        var text = pipe.text()
        for _ in 0..<20 {
            sink.tick()
            text += pipe.text()
        }
        logger.info("after")
        text += pipe.text()

        let lines = try text.split(separator: "\n").map { try parsedJSON(String($0)) }
        let indices = lines.compactMap { ($0["index"] as? String).flatMap { Int($0) } }
        #expect(indices == Array(0..<indices.count))  // In order, none in the middle lost or torn.
        #expect(indices.count > 300 && indices.count < 1000)
        #expect(lines.contains { $0["msg"] as? String == "after" })
        let notice = try #require(lines.first { ($0["msg"] as? String)?.contains("dropped") == true })
        #expect(notice["lines"] as? String == "\(2000 - indices.count)")

        let registry = MetricsRegistry()
        sink.register(in: registry)
        #expect(registry.render().contains("forebay_log_dropped_lines_total \(2000 - indices.count)\n"))
    }

    @Test("flags of the file that others share are left alone")
    func sharedFlags() {
        let pipe = LoggedPipe()
        let before = fcntl(pipe.writing, F_GETFL)
        let sink = LogSink(descriptor: pipe.writing)
        Logger(label: "test", sink: sink).info("line")
        #expect(fcntl(pipe.writing, F_GETFL) == before)
        #expect(before & O_NONBLOCK == 0)
    }

    @Test("a reader that is gone costs lines, not the process")
    func readerGone() {
        signal(SIGPIPE, SIG_IGN)
        var ends: [Int32] = [0, 0]
        #expect(pipe(&ends) == 0)
        let sink = LogSink(descriptor: ends[1], format: .json)
        close(ends[0])
        Logger(label: "test", sink: sink).info("line")
        sink.flush()
        close(ends[1])
    }

    @Test("a socket, as systemd gives, is written without waiting")
    func socket() throws {
        var ends: [Int32] = [0, 0]
        #expect(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0)
        defer { ends.forEach { close($0) } }
        let sink = LogSink(descriptor: ends[1], format: .json)
        for index in 0..<5000 { Logger(label: "test", sink: sink).info("line", ["index": "\(index)"]) }
        var part = [UInt8](repeating: 0, count: 65_536)
        let count = recv(ends[0], &part, part.count, Int32(MSG_DONTWAIT))
        let first = try #require(String(decoding: part[..<max(0, count)], as: UTF8.self).split(separator: "\n").first)
        #expect(try parsedJSON(String(first))["index"] as? String == "0")
    }

    @Test("a file gets every line at its end")
    func file() throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("forebay-log-\(UUID().uuidString)").path
        let descriptor = open(path, O_CREAT | O_WRONLY | O_APPEND, 0o600)
        defer {
            close(descriptor)
            unlink(path)
        }
        let sink = LogSink(descriptor: descriptor, format: .text)
        for index in 0..<100 { Logger(label: "test", sink: sink).info("line", ["index": "\(index)"]) }
        let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
        #expect(lines.count == 100)
        #expect(lines.last?.hasSuffix("INFO  test: line index=99") == true)
    }

    @Test("lines of many threads stay whole")
    func threads() async throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("forebay-log-\(UUID().uuidString)").path
        let descriptor = open(path, O_CREAT | O_WRONLY | O_APPEND, 0o600)
        defer {
            close(descriptor)
            unlink(path)
        }
        let sink = LogSink(descriptor: descriptor, format: .json)
        await withTaskGroup(of: Void.self) { group in
            for task in 0..<8 {
                group.addTask {
                    for index in 0..<200 { Logger(label: "\(task)", sink: sink).info("line", ["index": "\(index)"]) }
                }
            }
        }
        let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").map { try parsedJSON(String($0)) }
        #expect(lines.count == 1600)
        for task in 0..<8 {
            let own = lines.filter { $0["logger"] as? String == "\(task)" }.compactMap { ($0["index"] as? String).flatMap { Int($0) } }
            #expect(own == Array(0..<200))
        }
    }

    @Test("messages are counted by level, folded ones too")
    func counts() {
        let pipe = LoggedPipe()
        let sink = LogSink(descriptor: pipe.writing)
        let registry = MetricsRegistry()
        sink.register(in: registry)
        for _ in 0..<5 { Logger(label: "test", sink: sink).error("same") }
        Logger(label: "test", sink: sink).info("one")
        let text = registry.render()
        #expect(text.contains(#"forebay_log_messages_total{level="error"} 5"#))
        #expect(text.contains(#"forebay_log_messages_total{level="info"} 1"#))
        #expect(text.contains(#"forebay_log_messages_total{level="debug"} 0"#))
    }
}
