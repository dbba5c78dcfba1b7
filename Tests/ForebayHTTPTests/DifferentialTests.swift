import Foundation
import Testing

@testable import ForebayHTTP

/// Another strict reader of HTTP/1.1: h11, in Python. It shares no code with us or with llhttp.
enum Oracle {
    struct Verdict: Decodable {
        let requests: [[String]]
        let error: String?
        let incomplete: Bool
    }

    static let isPresent = (try? run("-c", "import h11", input: Data())) != nil

    static func read(_ cases: [[UInt8]]) throws -> [Verdict] {
        var input = Data()
        for bytes in cases {
            input.append(contentsOf: Array("\(bytes.count)\n".utf8))
            input.append(contentsOf: bytes)
        }
        let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("h11_oracle.py").path
        let output = try self.run(script, input: input)
        return try output.split(separator: 0x0A).map { try JSONDecoder().decode(Verdict.self, from: $0) }
    }

    private struct Failed: Error {}

    private static func run(_ arguments: String..., input: Data) throws -> Data {
        // By a file: a pipe would fill while nobody reads the other one.
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("forebay-h11-\(UUID().uuidString)")
        try input.write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }  // Else it stays in the temporary folder, harmless.
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["python3"] + arguments
        process.standardInput = try FileHandle(forReadingFrom: file)
        let output = Pipe()
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.run()
        let data = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw Failed() }
        return data
    }
}

@Suite("Against h11", .enabled(if: Oracle.isPresent, "needs Python's h11 (pip install h11)"))
struct DifferentialTests {
    /// Why we may refuse what h11 takes. Each reason asks the bytes whether it applies, so that it can't excuse anything else.
    private static let weRefuse: [(code: String, why: String, applies: @Sendable (String) -> Bool)] = [
        ("bad_line_end", "h11 takes a bare LF as a line's end", { $0.hasBareLineEnd }),
        ("folded_field", "h11 unfolds", { $0.contains("\r\n ") || $0.contains("\r\n\t") || $0.contains("\n ") || $0.contains("\n\t") }),
        ("bad_target", "h11 takes any visible bytes as a target", { _ in true }),
        ("version_unsupported", "h11 leaves the version to its user", { _ in true }),
        ("method_unknown", "h11 leaves the method to its user", { _ in true }),
        ("bad_host", "h11 does not look into Host", { $0.lowercased().contains("host:") }),
        (
            "duplicate_field", "h11 allows two of a kind",
            {
                $0.lowercased().components(separatedBy: "expect").count > 2
                    || $0.lowercased().components(separatedBy: "content-type").count > 2
            }
        ),
        (
            "bad_content_length", "h11 takes a repeated length, and a list, if all agree; and knows no Content_Length",
            {
                $0.lowercased().components(separatedBy: "content-length").count > 2 || $0.contains(",")
                    || $0.lowercased().contains("content_length") || $0.contains("18446744073709551615")
            }
        ),
        ("expectation_unsupported", "h11 leaves Expect to its user", { $0.lowercased().contains("expect") }),
        (
            "bad_transfer_encoding", "h11 takes Content-Length beside chunked (and ignores it), and chunked in 1.0",
            { $0.lowercased().contains("content-length") || $0.contains("HTTP/1.0") || $0.lowercased().contains("transfer_encoding") }
        ),
        (
            "bad_chunk", "h11 takes anything as a chunk's extension, blanks behind its size, and a bare LF in trailers, folded ones too",
            { $0.lowercased().contains("chunked") }
        ),
        ("body_too_large", "limits are ours", { _ in true }),
        (
            "bad_field", "h11 takes most controls in values",
            { $0.utf8.contains { $0 < 0x20 && $0 != 9 && $0 != 10 && $0 != 13 || $0 == 0x7F } }
        ),
        ("bad_request", "llhttp takes no TAB beside a length or a coding", { $0.contains("\t") }),
        ("bad_request_line", "h11 reads nothing behind a request of 1.0", { $0.contains("HTTP/1.0") }),
    ]

    @Test("both readers find the same requests, or we refuse for a reason that we know", arguments: [1, 2, 3, 4, 5, 6, 7, 8] as [UInt64])
    func agrees(seed: UInt64) throws {
        var generator = RequestGenerator(seed: seed)
        let cases = (0..<2500).map { _ in generator.next() }
        let verdicts = try Oracle.read(cases)
        #expect(verdicts.count == cases.count)
        var both = 0
        for (bytes, verdict) in zip(cases, verdicts) {
            let (seen, stage) = Reading.read(bytes, pieces: 0)
            let ours = seen.compactMap { seen -> [String]? in
                guard case .request(let method, _, let body) = seen else { return nil }
                return [method, body.map { String(format: "%02x", $0) }.joined()]
            }
            let theirs = verdict.requests.map { [$0[0], $0[2]] }
            let text = String(decoding: bytes, as: UTF8.self)
            let refusal = seen.compactMap { if case .refused(_, let code) = $0 { code } else { nil } }.first
            // What both delivered must be the same. One of them may have stopped earlier.
            let common = min(ours.count, theirs.count)
            #expect(Array(ours[..<common]) == Array(theirs[..<common]), "\(text.debugDescription)")
            both += common
            if ours.count > theirs.count || (ours.count == theirs.count && refusal == nil && stage != .head && verdict.error != nil) {
                #expect(
                    self.mayAccept(text, verdict.error),
                    "we take, h11 refuses (\(verdict.error ?? "waits")): \(text.debugDescription) \(seen) \(stage)")
            } else if theirs.count > ours.count || (refusal != nil && verdict.error == nil && !verdict.incomplete) {
                let isKnown = Self.weRefuse.contains { $0.code == refusal && $0.applies(text) }
                #expect(isKnown, "we refuse as \(refusal ?? "nothing"), h11 takes: \(text.debugDescription) \(seen)")
            }
        }
        #expect(both > 1000, "the generator must make enough that is right: \(both)")
    }

    /// What we take and h11 does not: one empty line before a request, or after the last one; requests behind one of HTTP/1.0 that asks to
    /// keep the connection.
    private func mayAccept(_ text: String, _ error: String?) -> Bool {
        error == "no request line received" && text.contains("\r\n") || text.contains("HTTP/1.0") && text.contains("keep-alive")
    }
}

extension String {
    var hasBareLineEnd: Bool {
        let bytes = Array(self.utf8)
        return bytes.indices.contains { index in
            (bytes[index] == 0x0A && (index == 0 || bytes[index - 1] != 0x0D))
                || (bytes[index] == 0x0D && (index + 1 == bytes.count || bytes[index + 1] != 0x0A))
        }
    }
}
