import ForebayCore
import Foundation
import Testing

@testable import ForebaySpool

@Suite("Spool: the registry of cursors")
struct RegistryTests {
    private let log = spoolID("8N1ZQ5F3W7YKD2RC")

    /// With the line that covers it.
    private func sealed(_ text: String) -> [UInt8] { Array((text + "crc32c \(String(crc32c(Array(text.utf8)), radix: 16))\n").utf8) }

    private let head = "forebay-registry 3\nlog 8N1ZQ5F3W7YKD2RC\ngeneration 12\n"

    private func full() -> CursorRegistry {
        var registry = CursorRegistry(log: self.log)
        registry.generation = 12
        registry.origin = spoolID("0B7K3V9QXH2M5TWA")
        registry.put(CursorRegistry.Entry(name: "forward/orders", routes: [RouteID(rawValue: 0x9D5C_0A1F_2B3E_4D6A)]))
        registry.put(CursorRegistry.Entry(name: "forward/bills", routes: [RouteID(rawValue: 0x17), RouteID(rawValue: .max)]))
        registry.forgotten = ["forward/older": 3, "forward/old": 81_920]
        return registry
    }

    @Test("its text, line by line")
    func text() {
        let text =
            self.head
                + """
                origin 0B7K3V9QXH2M5TWA
                cursor forward/orders 9d5c0a1f2b3e4d6a
                cursor forward/bills 17 ffffffffffffffff
                forgotten forward/old 81920
                forgotten forward/older 3

                """
        #expect(String(decoding: self.full().encoded, as: UTF8.self) == String(decoding: self.sealed(text), as: UTF8.self))
        #expect(CursorRegistry(decoding: self.sealed(text)) == self.full())
        var empty = CursorRegistry(log: self.log)
        empty.generation = 12
        #expect(empty.encoded == self.sealed(self.head) && CursorRegistry(decoding: empty.encoded) == empty)
    }

    @Test("what the log is for, and a version that told no kinds")
    func kind() {
        for kind in [LogKind.spool, .setAside, .deadLetters] {
            var registry = CursorRegistry(log: self.log, kind: kind)
            registry.generation = 12
            #expect(registry.encoded == self.sealed(self.head + "kind \(kind.rawValue)\n"))
            #expect(CursorRegistry(decoding: registry.encoded) == registry)
        }
        for (line, isRead) in [
            ("kind spool", true), ("kind none", false), ("kind spool x", false), ("kind", false),
        ] {
            #expect((CursorRegistry(decoding: self.sealed(self.head + line + "\n")) != nil) == isRead, "\(line)")
        }
        for version in [2, 3] as [UInt32] {
            let text = "forebay-registry \(version)\nlog 8N1ZQ5F3W7YKD2RC\ngeneration 12\n"
            let found = CursorRegistry(decoding: self.sealed(text))
            #expect(found?.version == version && found?.hasKinds == (version == 3) && found?.encoded == self.sealed(text))
        }
    }

    @Test("for what was given up nobody waits, but where another cursor counts it")
    func settledByNobody() {
        var registry = CursorRegistry(log: self.log)
        registry.forgotten = ["forward/old": 9]
        registry.put(CursorRegistry.Entry(name: "forward/new", routes: [RouteID(name: "new")]))
        #expect(registry.givenUp.map(\.sequence) == [9] && registry.givenUp.map(\.routes) == [[RouteID(name: "old")]])
        #expect(registry.givenUp.map(\.stage) == ["forward"] && registry.givenUp[0].ordinal == nil)
        registry.put(CursorRegistry.Entry(name: "forward/new", routes: [RouteID(name: "new"), RouteID(name: "old")]))
        #expect(registry.givenUp.isEmpty)
        // Kept for a route whose name was lost.
        registry.forgotten["forward/unknown-00000000000000ff"] = 7
        let parties = registry.givenUp
        #expect(parties.map(\.routes) == [[RouteID(name: "unknown-00000000000000ff")], [RouteID(rawValue: 0xFF)]])
        #expect(parties.map(\.sequence) == [7, 7])
        // One that was given up under both names has settled it once.
        registry.forgotten = ["forward/x": 5, CursorSet.unknown(RouteID(name: "x")): 9, "mirror/x": 3]
        let both = registry.givenUp.filter { $0.routes == [RouteID(name: "x")] }
        #expect(both.map(\.sequence).sorted() == [3, 9] && Set(both.map(\.stage)) == ["forward", "mirror"])
        for name in [
            "forward/unknown-ff", "mirror/unknown-00000000000000ff", "forward/unknown-00000000000000fg", "forward/unknown-", "unknown",
        ] {
            #expect(CursorSet.routes(ofName: name) == [RouteID(name: CursorSet.route(of: name))], "\(name)")
        }
    }

    @Test("any name, byte by byte: what could end a word is written by its code")
    func names() {
        for (name, written) in [
            ("forward/a b", "forward/a%20b"), ("x%y", "x%25y"), ("\u{1}", "%01"), ("\u{f}\u{10}", "%0f%10"), ("~\u{7f}!", "~%7f!"),
            ("ä", "%c3%a4"),
            ("a\nb", "a%0ab"),
        ] {
            var registry = CursorRegistry(log: self.log)
            registry.generation = 12
            registry.put(CursorRegistry.Entry(name: name, routes: [RouteID(rawValue: 1)]))
            registry.forgotten[name + "x"] = 9
            #expect(registry.encoded == self.sealed(self.head + "cursor \(written) 1\nforgotten \(written)x 9\n"))
            #expect(CursorRegistry(decoding: registry.encoded) == registry)
        }
    }

    @Test(
        "what is not whole is not read",
        arguments: [
            "", "forebay-registry 3\n", "forebay-registry 3\nlog 8N1ZQ5F3W7YKD2RC\n",
            "forebay-registry 1\nlog 8N1ZQ5F3W7YKD2RC\ngeneration 1\n", "forebay-registry 4\nlog 8N1ZQ5F3W7YKD2RC\ngeneration 1\n",
            "forebay-registry 3 x\nlog 8N1ZQ5F3W7YKD2RC\ngeneration 1\n", "forebay-registry 3\nlog 8N1ZQ5F3W7YKD2R\ngeneration 1\n",
            "forebay-registry 3\nlog 8N1ZQ5F3W7YKD2RCC\ngeneration 1\n", "forebay-registry 3\nlog 8N1ZQ5F3W7YKD2RC x\ngeneration 1\n",
            "forebay-registry 3\nlig 8N1ZQ5F3W7YKD2RC\ngeneration 1\n", "forebay-registry 3\nlog 8N1ZQ5F3W7YKD2RC\ngeneration x\n",
            "forebay-registry 3\nlog 8N1ZQ5F3W7YKD2RC\ngeneration 1 2\n", "forebay-registry 3\nlog 8N1ZQ5F3W7YKD2RC\ngenesis 1\n",
        ])
    func broken(text: String) {
        #expect(CursorRegistry(decoding: self.sealed(text)) == nil)
    }

    @Test(
        "a line that can't be makes the whole unreadable; one that begins with a word of a later version does not",
        arguments: [
            ("origin 0B7K3V9QXH2M5TWA", true), ("origin 0B7K3V9QXH2M5TW", false), ("origin 0B7K3V9QXH2M5TWAA", false),
            ("origin 0B7K3V9QXH2M5TWA x", false), ("cursor a 1", true), ("cursor a", false), ("cursor a 1 2 3", true),
            ("cursor a 1 g", false),
            ("cursor %41 1", true), ("cursor %4 1", false), ("cursor %zz 1", false), ("cursor %ff 1", false), ("cursor % 1", false),
            ("forgotten a 1", true), ("forgotten a", false), ("forgotten a -1", false), ("forgotten a x", false), ("forgotten % 1", false),
            ("forgotten a 1 2", false), ("begun 7 2", true), ("begun 7", false), ("begun 7 x", false), ("begun x 2", false),
            ("begun 7 2 3", false),
            ("begun \(SpoolFormat.highestMark / 2 - 1) 2", true), ("begun \(SpoolFormat.highestMark / 2) 2", false),
            ("begun 7 \(SpoolFormat.highestMark / 2)", false), ("incomplete", true), ("incomplete 1", false), ("", false),
            ("another a 1", true), ("kinds spool", true), ("more", true),
        ])
    func lines(line: String, isRead: Bool) {
        #expect((CursorRegistry(decoding: self.sealed(self.head + line + "\n")) != nil) == isRead)
    }

    @Test("a generation that no registry comes to is none, to the last one that counts", arguments: ["cursors", "logs"])
    func highestGeneration(of registry: String) {
        for (generation, isRead) in [
            (0, true), (SpoolFormat.highestMark - 1, true), (SpoolFormat.highestMark, false), (.max, false),
        ] as [(UInt64, Bool)] {
            let head = registry == "cursors" ? "forebay-registry 3\nlog 8N1ZQ5F3W7YKD2RC\n" : "forebay-logs 1\n"
            let bytes = self.sealed(head + "generation \(generation)\n")
            let read = registry == "cursors" ? CursorRegistry(decoding: bytes)?.generation : LogRegistry(decoding: bytes)?.generation
            #expect(read == (isRead ? generation : nil), "\(generation)")
        }
    }

    @Test("every byte is covered, and all of them have to be there")
    func covered() {
        let bytes = self.full().encoded
        for place in bytes.indices {
            // The last line says what it says in any case; a letter's other case is another byte everywhere else.
            var flipped = bytes
            flipped[place] ^= 1
            #expect(CursorRegistry(decoding: flipped) == nil, "byte \(place)")
            #expect(CursorRegistry(decoding: Array(bytes[..<place])) == nil, "\(place) bytes")
        }
        #expect(
            CursorRegistry(decoding: bytes + [10]) == nil && CursorRegistry(decoding: self.full().encoded.dropLast() + [0xFF, 10]) == nil)
    }

    @Test("an entry replaces the one of its name, and what was forgotten is known again")
    func entries() {
        var registry = self.full()
        registry.put(CursorRegistry.Entry(name: "forward/orders", routes: [RouteID(rawValue: 5)]))
        registry.put(CursorRegistry.Entry(name: "forward/old", routes: [RouteID(rawValue: 6)]))
        #expect(registry.cursors.map(\.name) == ["forward/bills", "forward/orders", "forward/old"])
        #expect(registry.entry("forward/orders")?.routes == [RouteID(rawValue: 5)] && registry.entry("none") == nil)
        #expect(registry.forgotten == ["forward/older": 3])
        registry.remove("forward/orders")
        #expect(registry.entry("forward/orders") == nil && registry.cursors.count == 2)
    }

    @Test("both files are replaced, whole and durably, one after the other; the newer sound one counts")
    func files() throws {
        let watched = WatchedDisk()
        let (disk, directory) = (watched.disk, watched.directory)
        let nothing = try CursorRegistry.read(disk, of: directory)
        #expect(nothing.registry == nil && !nothing.isThere && !nothing.isWhole)
        var registry = self.full()
        try registry.write(disk, to: directory)
        #expect(registry.generation == 13)
        #expect(
            watched.calls()
                == ["registry", "registry.copy"].flatMap {
                    ["open \($0).new", "write \($0).new", "sync \($0).new", "rename \($0)", "syncFolder ."]
                })
        var found = try CursorRegistry.read(disk, of: directory)
        #expect(found.registry == registry && found.isThere && found.isWhole)

        // A crash between the two.
        let old = registry
        watched.fail { $0 == "rename registry.copy" ? EIO : nil }
        #expect(throws: ForebayError.self) { try registry.write(disk, to: directory) }
        watched.fail(nil)
        found = try CursorRegistry.read(disk, of: directory)
        #expect(found.registry == registry && found.registry?.generation == 14 && !found.isWhole)
        for (name, rest) in [("registry", old), ("registry.copy", registry)] {
            let bytes = try #require(FileManager.default.contents(atPath: directory + "/" + name))
            for damage in [nil, bytes.dropLast(), bytes + [1]] {
                if let damage {
                    try damage.write(to: URL(filePath: directory + "/" + name))
                } else {
                    try FileManager.default.removeItem(atPath: directory + "/" + name)
                }
                found = try CursorRegistry.read(disk, of: directory)
                #expect(found.registry == rest && found.isThere && !found.isWhole, "\(name)")
            }
            try bytes.write(to: URL(filePath: directory + "/" + name))
        }
        for name in CursorRegistry.files { try Data("x".utf8).write(to: URL(filePath: directory + "/" + name)) }
        found = try CursorRegistry.read(disk, of: directory)
        #expect(found.registry == nil && found.isThere && !found.isWhole)
        for name in CursorRegistry.files { try FileManager.default.removeItem(atPath: directory + "/" + name) }
        try FileManager.default.createDirectory(atPath: directory + "/registry", withIntermediateDirectories: false)
        #expect(try !CursorRegistry.read(disk, of: directory).isThere, "a folder is none")
    }

    @Test(
        "a log of one kind in the place of another is refused by name and left as it is; a registry alone of another kind says nothing"
    )
    func otherKind() async throws {
        for (kind, others) in [(LogKind.deadLetters, [LogKind.spool, .setAside]), (.spool, [.deadLetters, .setAside])] {
            let fixture = SpoolFixture()
            let spool = try fixture.open { $0.kind = kind }
            try await spool.append("a", ["1", "2"])
            await spool.close()
            let files = try FileManager.default.subpathsOfDirectory(atPath: fixture.directory)
            for other in others {
                #expect {
                    try fixture.open { $0.kind = other }
                } throws: {
                    "\($0)".contains("\(fixture.directory) is a log of \(kind.contents), not of \(other.contents)")
                }
            }
            #expect(try FileManager.default.subpathsOfDirectory(atPath: fixture.directory) == files)
            let again = try fixture.open { $0.kind = kind }
            #expect(again.durableEnd == 2 && again.damage == SpoolDamage())
            await again.close()
            for file in try fixture.segmentFiles() { try FileManager.default.removeItem(atPath: file) }
            try await fixture.open { $0.kind = others[0] }.close()
        }
    }

    @Test(
        "what waits is given up with its cursor: should the name come back, at once or after a restart, none of it does, and newer events do"
    )
    func givenUp() async throws {
        for restarts in [false, true] {
            let fixture = SpoolFixture(segmentSize: 64 << 10)
            var spool = try fixture.open()
            let (a, b) = (try await spool.forward("a"), try await spool.forward("b"))
            for number in 0..<6 { try await spool.append(["a", "b"][number % 2], ["\(number)" + String(repeating: "g", count: 20_000)]) }
            a.move(to: 1, settled: 1)
            try await spool.giveUp(a)
            #expect(spool.allCursors.map(\.route) == ["b"] && spool.lag(of: b) == 3)
            if restarts {
                await spool.close()
                spool = try fixture.open()
            }
            let again = try await spool.forward("a")
            #expect(again.sequence == 6 && spool.lag(of: again) == 0)
            #expect(try spool.waiting(again).isEmpty)
            try await spool.append("a", ["new"])
            #expect(try spool.waiting(again) == ["new"])
            #expect(spool.lag(of: again) == 1 && spool.damage == SpoolDamage())
            await spool.close()
        }
    }
}
