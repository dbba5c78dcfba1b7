import ForebayCore
import ForebayTestKit
import Glibc
import Testing

@testable import ForebayNet

@Suite("Listeners and sockets", .timeLimit(.minutes(1)))
struct SocketTests {
    /// Sends back what it gets, and notes what happened.
    final class Echo: TCPSocketDelegate {
        let events: Shared<[String]>
        weak var socket: TCPSocket?
        init(events: Shared<[String]>) { self.events = events }
        func received(_ bytes: UnsafeRawBufferPointer) {
            self.socket?.write(bytes)
            self.socket?.flush()
        }
        func receivedEnd() {
            self.events.withLock { $0.append("end") }
            self.socket?.shutdown()
            self.socket?.close()
        }
        func failed(_ failure: SystemCallFailure) { self.events.withLock { $0.append("failed") } }
        func flushed() {}
        func closed() { self.events.withLock { $0.append("closed") } }
    }

    private func connect(_ port: Int) -> CInt {
        let descriptor = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
        let status = Loopback.connect(descriptor, port: port)
        precondition(status == 0)
        return descriptor
    }

    @Test("what is sent comes back, whole and in order, though the peer is slow to take it")
    func echoes() async throws {
        let loop = try EventLoop(label: "test")
        let events = Shared<[String]>([])
        let listener = try await loop.perform {
            LoopBound(
                try TCPListener(loop: loop, host: "127.0.0.1", port: 0) { descriptor, _ in
                    let echo = Echo(events: events)
                    let socket = try! TCPSocket(loop: loop, adopting: descriptor, gate: ReadGate())
                    echo.socket = socket
                    socket.setDelegate(echo)
                    socket.startReading()
                })
        }
        let client = self.connect(listener.value.port)
        let sent = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 >> 8) }
        let writer = Task.detached {
            var offset = 0
            while offset < sent.count {
                offset += sent.withUnsafeBytes { write(client, $0.baseAddress! + offset, $0.count - offset) }
            }
            Glibc.shutdown(client, CInt(SHUT_WR))
        }
        var got: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 10_000)
        while got.count < sent.count {
            let count = read(client, &buffer, buffer.count)
            guard count > 0 else { break }
            got += buffer[..<count]
        }
        await writer.value
        #expect(got == sent)
        while events.value.last != "closed" { try await loop.perform {} }
        #expect(events.value == ["end", "closed"])
        close(client)
        try await loop.perform { listener.value.close() }
        await loop.stop()
    }

    @Test("a paused listener leaves connections waiting, and a closed one refuses them")
    func pauses() async throws {
        let loop = try EventLoop(label: "test")
        let count = Shared(0)
        let listener = try await loop.perform {
            LoopBound(
                try TCPListener(loop: loop, host: "127.0.0.1", port: 0) { descriptor, _ in
                    count.add(1)
                    close(descriptor)
                })
        }
        try await loop.perform { listener.value.pause() }
        let client = self.connect(listener.value.port)
        for _ in 0..<10 { try await loop.perform {} }
        #expect(count.value == 0)
        try await loop.perform { listener.value.resume() }
        while count.value == 0 { try await loop.perform {} }
        close(client)
        try await loop.perform { listener.value.close() }
        await loop.stop()
    }

    @Test("a host that does not exist is refused by name")
    func unknownHost() async throws {
        let loop = try EventLoop(label: "test")
        let error = await #expect(throws: ForebayError.self) {
            try await loop.perform { _ = try TCPListener(loop: loop, host: "256.0.0.1", port: 0) { _, _ in } }
        }
        #expect(error?.message.contains("256.0.0.1") == true)
        await loop.stop()
    }

    @Test("an IPv4 client counts the same on a dual-stack listener; IPv6 clients count by their network")
    func addresses() {
        func v4(_ address: UInt32) -> PeerAddress {
            var storage = sockaddr_storage()
            withUnsafeMutableBytes(of: &storage) { bytes in
                var address4 = sockaddr_in()
                address4.sin_family = sa_family_t(AF_INET)
                address4.sin_addr.s_addr = address.bigEndian
                bytes.storeBytes(of: address4, as: sockaddr_in.self)
            }
            return PeerAddress(storage)
        }
        func v6(_ words: [UInt16]) -> PeerAddress {
            var storage = sockaddr_storage()
            withUnsafeMutableBytes(of: &storage) { bytes in
                var address6 = sockaddr_in6()
                address6.sin6_family = sa_family_t(AF_INET6)
                withUnsafeMutableBytes(of: &address6.sin6_addr) { target in
                    for (index, word) in words.enumerated() {
                        target.storeBytes(of: word.bigEndian, toByteOffset: index * 2, as: UInt16.self)
                    }
                }
                bytes.storeBytes(of: address6, as: sockaddr_in6.self)
            }
            return PeerAddress(storage)
        }
        #expect(v4(0x7F00_0001) == v6([0, 0, 0, 0, 0, 0xFFFF, 0x7F00, 1]))
        #expect(v4(0x7F00_0001) != v4(0x7F00_0002))
        #expect(v6([0x2001, 0xDB8, 0, 1, 1, 2, 3, 4]) == v6([0x2001, 0xDB8, 0, 1, 9, 9, 9, 9]))
        #expect(v6([0x2001, 0xDB8, 0, 1, 1, 2, 3, 4]) != v6([0x2001, 0xDB8, 0, 2, 1, 2, 3, 4]))
        #expect(v4(0xC000_0201).description == "192.0.2.1" && v6([0, 0, 0, 0, 0, 0xFFFF, 0x7F00, 1]).description == "127.0.0.1")
        #expect(v6([0x2001, 0xDB8, 0, 1, 1, 2, 3, 4]).description == "2001:db8:0:1::/64")
        #expect(v6([0, 0, 0, 0, 0, 0, 0, 1]).description == "::/64")
    }

    @Test("output keeps its bytes while it grows and is sent in parts, and gives its memory back")
    func outputBuffer() {
        let blocks = OutputBlocks()
        var buffer = OutputBuffer()
        var expected: [UInt8] = []
        for round in 0..<100 {
            let bytes = [UInt8](repeating: UInt8(round), count: round * 37 % 500 + 1)
            bytes.withUnsafeBytes { buffer.reserve($0.count, from: blocks).copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
            buffer.commit(bytes.count)
            expected += bytes
            let sent = expected.count / 3
            let head = Array(buffer.bytes.prefix(sent))
            #expect(head == Array(expected.prefix(sent)))
            buffer.consume(sent, to: blocks)
            expected.removeFirst(sent)
        }
        let rest = Array(buffer.bytes)
        #expect(rest == expected)
        buffer.consume(expected.count, to: blocks)
        let isEmpty = buffer.isEmpty
        #expect(isEmpty)
    }
}
