import ForebayTestKit
import Glibc
import Testing

@testable import ForebayHTTP

@Suite struct HTTPClientTests {
    private func exchange(_ answer: ScriptedAnswer, method: String = "GET", bodyLimit: Int = 1 << 20) -> Result<
        HTTPClientResponse, HTTPClientError
    > {
        let server = ScriptedServer { _, _ in answer }
        defer { server.stop() }
        var client = HTTPClient(HTTPAddress(host: "127.0.0.1", port: server.port))
        client.bodyLimit = bodyLimit
        client.answerTimeout = 5_000
        do throws(HTTPClientError) {
            return .success(try client.send(HTTPClientRequest(method: method, target: "/x")))
        } catch {
            return .failure(error)
        }
    }

    @Test(arguments: [
        ("http://h", "h", 80, ""), ("http://127.0.0.1:8080/", "127.0.0.1", 8080, ""), ("HTTP://[::1]:1/a/b/", "::1", 1, "/a/b"),
    ])
    func addresses(_ url: String, _ host: String, _ port: Int, _ prefix: String) throws {
        #expect(try HTTPAddress(url: url) == HTTPAddress(host: host, port: port, prefix: prefix))
    }

    @Test(arguments: [
        ("https://h", "https://h: https is not supported yet; expected http://host:port"), ("h:80", "h:80: expected http://host:port"),
        ("http://", "http://: expected http://host:port"), ("http://h:0", "http://h:0: expected http://host:port"),
        ("http://h:99999", "http://h:99999: expected http://host:port"),
        ("http://u:p@h", "http://u:p@h: names and passwords do not belong into a URL"),
        ("http://h/?a", "http://h/?a: expected a path without spaces, ? and #"), ("http://[::1", "http://[::1: expected http://host:port"),
    ])
    func refusedAddresses(_ url: String, _ message: String) {
        #expect(throws: HTTPClientError.self) { try HTTPAddress(url: url) }
        do throws(HTTPClientError) { _ = try HTTPAddress(url: url) } catch { #expect(error.message == message) }
    }

    @Test func sendsWhatWasAskedAndKeepsTheConnection() throws {
        let server = ScriptedServer { request, index in ScriptedAnswer(status: 200 + index, body: request.text) }
        defer { server.stop() }
        var client = HTTPClient(HTTPAddress(host: "127.0.0.1", port: server.port, prefix: "/p"), userAgent: "t/1")
        for index in 0..<3 {
            let request = HTTPClientRequest(method: "POST", target: "/a?b", headers: [("Forebay-Key", "k")], body: Array("b\(index)".utf8))
            let response = try client.send(request)
            #expect(response.status == 200 + index)
            #expect(response.body == Array("b\(index)".utf8))
        }
        #expect(server.requests.map(\.connection) == [0, 0, 0])
        #expect(server.requests[0].target == "/p/a?b")
        #expect(server.requests[0].headers["forebay-key"] == "k")
        #expect(server.requests[0].headers["host"] == "127.0.0.1:\(server.port)")
        #expect(server.requests[0].headers["user-agent"] == "t/1")
    }

    @Test(arguments: [
        (["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"], "hello"),
        (["HTTP/1.1 200 OK\r\nContent-Le", "ngth: 5\r\n\r", "\nhe", "llo"], "hello"),
        (["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: v\r\n\r\n"], "abcde"),
        (["HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n", "3", "\r\na", "bc\r", "\n0\r\n", "\r\n"], "abc"),
        (["HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"], "x"),
        (["HTTP/1.1 204 No Content\r\nContent-Length: 7\r\n\r\n"], ""),
        (["HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n"], ""),
    ])
    func readsAnswers(_ pieces: [String], _ body: String) throws {
        let response = try self.exchange(ScriptedAnswer(pieces: pieces)).get()
        #expect(String(decoding: response.body, as: UTF8.self) == body)

        // And a byte at a time, which no socket can be made to do.
        var reader = HTTPAnswerReader(isHead: false, bodyLimit: 100)
        var found: HTTPClientResponse?
        for byte in pieces.joined().utf8 {
            #expect(found == nil, "more came after the answer was whole")
            found = try [byte].withUnsafeBytes { bytes in try reader.take(bytes) }
        }
        #expect(found.map { String(decoding: $0.body, as: UTF8.self) } == body)
        #expect(reader.keepsAlive)
    }

    @Test func aBodyWithoutLengthEndsWithTheConnection() throws {
        let answer = ScriptedAnswer(pieces: ["HTTP/1.0 200 OK\r\n\r\nab", "cd"], closes: true)
        #expect(try self.exchange(answer).get().body == Array("abcd".utf8))
    }

    @Test func anAnswerToHEADHasNoBody() throws {
        #expect(
            try self.exchange(ScriptedAnswer(pieces: ["HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"]), method: "HEAD").get().body.isEmpty)
    }

    @Test(arguments: [
        (["SSH-2.0-OpenSSH\r\n\r\n"], "the answer can't be read: it is not HTTP/1"),
        (["HTTP/2.0 200 OK\r\n\r\n"], "the answer can't be read: it is not HTTP/1"),
        (["HTTP/1.1 2x0 OK\r\n\r\n"], "the answer can't be read: it has no status"),
        (["HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"], "the answer can't be read: its length can't be known"),
        (["HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"], "the answer can't be read: its length can't be known"),
        (["HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n"], "the answer can't be read: its length can't be known"),
        (["HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"], "the answer can't be read: its length can't be known"),
        (["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"], "the answer can't be read: it has a broken chunk"),
        (["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n"], "the answer can't be read: it has a broken chunk"),
        (["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n"], "the answer can't be read: it has a broken chunk"),
        (["HTTP/1.1 200 OK\r\n folded\r\n\r\n"], "the answer can't be read: it has a broken field"),
        (
            ["HTTP/1.1 200 OK\r\nA: " + String(repeating: "x", count: 70_000)],
            "the answer can't be read: its head is larger than 65536 bytes"
        ),
        (["HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n"], "the answer is larger than 100 bytes"),
        (["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n65\r\n"], "the answer is larger than 100 bytes"),
        (["HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + String(repeating: "x", count: 101)], "the answer is larger than 100 bytes"),
    ])
    func refusesAnswers(_ pieces: [String], _ message: String) {
        switch self.exchange(ScriptedAnswer(pieces: pieces), bodyLimit: 100) {
        case .success(let response): Issue.record("\(response.status)")
        case .failure(let error):
            #expect(error.message == message)
            #expect(error.kind == .badAnswer)
        }
    }

    @Test func aConnectionThatEndsIsSaidToBeLost() {
        for answer in [ScriptedAnswer.none, ScriptedAnswer(pieces: ["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe"], closes: true)] {
            guard case .failure(let error) = self.exchange(answer) else {
                Issue.record("an answer")
                continue
            }
            #expect(error.kind == .connectionLost)
        }
    }

    @Test func aClosedConnectionIsReplacedBeforeUse() throws {
        let server = ScriptedServer { _, index in
            index == 0
                ? ScriptedAnswer(pieces: ["HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"], closes: true) : ScriptedAnswer(status: 200)
        }
        defer { server.stop() }
        var client = HTTPClient(HTTPAddress(host: "127.0.0.1", port: server.port))
        _ = try client.send(HTTPClientRequest(method: "POST", target: "/"))
        server.join(connection: 0)
        _ = try client.send(HTTPClientRequest(method: "POST", target: "/"))
        #expect(server.requests.map(\.connection) == [0, 1])
    }

    @Test func aGETOnADyingConnectionIsSentAgain() throws {
        let server = ScriptedServer { _, index in index == 1 ? .none : ScriptedAnswer(status: 200) }
        defer { server.stop() }
        var client = HTTPClient(HTTPAddress(host: "127.0.0.1", port: server.port))
        _ = try client.send(HTTPClientRequest(target: "/"))
        _ = try client.send(HTTPClientRequest(target: "/"))
        #expect(server.requests.map(\.connection) == [0, 0, 1])
    }

    @Test func aPOSTIsNeverSentTwiceByItself() throws {
        let server = ScriptedServer { _, index in index == 1 ? .none : ScriptedAnswer(status: 200) }
        defer { server.stop() }
        var client = HTTPClient(HTTPAddress(host: "127.0.0.1", port: server.port))
        let request = HTTPClientRequest(method: "POST", target: "/")
        _ = try client.send(request)
        do throws(HTTPClientError) {
            _ = try client.send(request)
            Issue.record("an answer")
        } catch {
            #expect(error.kind == .connectionLost)
        }
        #expect(server.requests.count == 2)
    }

    @Test func anEarlyRefusalIsReadThoughTheBodyIsNotOut() throws {
        // Reads the head only, answers, and hangs up while the client still sends 32 MiB.
        let server = EarlyServer()
        defer { server.stop() }
        var client = HTTPClient(HTTPAddress(host: "127.0.0.1", port: server.port))
        let response = try client.send(HTTPClientRequest(method: "POST", target: "/", body: [UInt8](repeating: 65, count: 32 << 20)))
        #expect(response.status == 413)
    }

    @Test func waitsNoLongerThanItWasTold() {
        let server = ScriptedServer { _, _ in .silence }
        defer { server.stop() }
        var client = HTTPClient(HTTPAddress(host: "127.0.0.1", port: server.port))
        client.answerTimeout = 100
        do throws(HTTPClientError) {
            _ = try client.send(HTTPClientRequest(target: "/"))
            Issue.record("an answer")
        } catch {
            #expect(error.kind == .timedOut)
        }
    }

    @Test func nobodyListens() {
        let server = ScriptedServer { _, _ in .none }
        let port = server.port
        server.stop()
        var client = HTTPClient(HTTPAddress(host: "127.0.0.1", port: port))
        do throws(HTTPClientError) {
            _ = try client.send(HTTPClientRequest(target: "/"))
            Issue.record("an answer")
        } catch {
            #expect(error.kind == .notConnected)
            #expect(error.message == "cannot connect to http://127.0.0.1:\(port): Connection refused")
        }
    }

    @Test func nothingIsSmuggledThroughFieldsAndTargets() {
        var client = HTTPClient(HTTPAddress(host: "127.0.0.1", port: 1))
        for request in [
            HTTPClientRequest(target: "/a b"), HTTPClientRequest(target: "a"), HTTPClientRequest(target: "/\r\nX: y"),
            HTTPClientRequest(target: "/", headers: [("A", "b\r\nC: d")]),
        ] {
            do throws(HTTPClientError) {
                _ = try client.send(request)
                Issue.record("an answer")
            } catch {
                #expect(error.kind == .invalidRequest)
            }
        }
    }
}

/// Answers 413 after the first read, then closes for reading only after the client has had the answer.
private final class EarlyServer: Sendable {
    let port: Int
    private let listener: Int32
    private let thread: pthread_t

    init() {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                _ = bind(listener, $0, size) == 0 && getsockname(listener, $0, &size) == 0
            }
        }
        listen(listener, 1)
        self.port = Int(UInt16(bigEndian: address.sin_port))
        self.listener = listener
        var thread = pthread_t()
        pthread_create(
            &thread, nil,
            { argument in
                let listener = Int32(Int(bitPattern: argument))
                let file = accept(listener, nil, nil)
                var buffer = [UInt8](repeating: 0, count: 1024)
                _ = read(file, &buffer, buffer.count)
                let answer = Array("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".utf8)
                _ = send(file, answer, answer.count, Int32(MSG_NOSIGNAL))
                shutdown(file, Int32(SHUT_WR))
                while read(file, &buffer, buffer.count) > 0 {}
                close(file)
                return nil
            }, UnsafeMutableRawPointer(bitPattern: Int(listener)))
        self.thread = thread
    }

    func stop() {
        pthread_join(self.thread, nil)
        close(self.listener)
    }
}
