import ForebayCore
import ForebaySpool
import ForebayTelemetry
import ForebayTestKit
import Foundation
import Testing

/// `deadletters replay|rm` and `setaside rm|move` against the admin API, and on the folder of a node that is down.
@Suite struct MendingCommandTests {
    // MARK: Of a running node

    @Test func asksUntilNothingIsLeft() async throws {
        let server = ScriptedServer { request, count in
            #expect(request.method == "POST" && request.target == "/admin/v1/deadletters/replay")
            let row = #"{"delivery":"a","topic":"t","code":"C","count":\#(count == 0 ? 2000 : 1)}"#
            let other = count == 0 ? "" : #",{"delivery":"a","topic":"u","code":"C","count":4}"#
            let kept = #"{"delivery":"old","count":3,"reason":"not configured"}"#
            return ScriptedAnswer(
                status: 200,
                body: #"{"dry_run":false,"replayed":\#(count == 0 ? 2000 : 5),"letters":[\#(row)\#(other)],"kept":[\#(kept)],"#
                    + #""as_of":17,"more":\#(count == 0),"next":[\#(count == 0 ? #""a:5-9","b:0-3""# : "")]}"#)
        }
        defer { server.stop() }
        let result = try await BuiltProgram.run("deadletters", "replay", "--topic", "t", "--topic", "u", "--url", server.url)
        #expect(result.code == 0)
        #expect(
            result.out == """
                2,005 dead letters are replayed: set aside behind what waits of the topic, and delivered from there; \
                'forebay setaside ls --url \(server.url)' shows what waits

                ROUTE  TOPIC  CODE  LETTERS
                a      t      C       2,001
                a      u      C           4

                """)
        #expect(result.error == "old: 6 dead letters stay: not configured\n", "each request says what it has met")
        #expect(
            server.requests.map { String(decoding: $0.body, as: UTF8.self) } == [
                "topic=t&topic=u", "topic=t&topic=u&as_of=17&next=a%3A5-9&next=b%3A0-3",
            ])
    }

    @Test func saysWhatWasDoneBeforeItFailed() async throws {
        let server = ScriptedServer { _, count in
            guard count == 0 else {
                return ScriptedAnswer(status: 503, body: #"{"code":"spool_full","detail":"Nothing was replayed: no room."}"#)
            }
            let row = #"{"delivery":"a","topic":"t","code":"C","count":2000}"#
            return ScriptedAnswer(
                status: 200,
                body: #"{"dry_run":false,"replayed":2000,"letters":[\#(row)],"kept":[],"as_of":17,"more":true,"next":["a:5-9"]}"#)
        }
        defer { server.stop() }
        let result = try await BuiltProgram.run("deadletters", "replay", "--all", "--url", server.url)
        #expect(result.code == 69 && result.error.contains("Nothing was replayed: no room."))
        #expect(result.out.hasPrefix("2,000 dead letters are replayed") && result.out.contains("a      t      C       2,000"))
    }

    @Test func saysWhatItWouldDo() async throws {
        let server = ScriptedServer { request, _ in
            #expect(request.method == "DELETE" && request.target == "/admin/v1/deadletters")
            return ScriptedAnswer(
                status: 200,
                body:
                    #"{"dry_run":true,"removed":1,"letters":[{"delivery":"a","topic":"t","code":"C","count":1}],"kept":[],"as_of":1,"more":false,"next":[]}"#
            )
        }
        defer { server.stop() }
        let words = ["deadletters", "rm", "a/mirror", "17", "20-30", "--older-than", "2h", "--code", "C", "--dry-run", "--url", server.url]
        let result = try await BuiltProgram.run(words)
        #expect(result.code == 0 && result.out.hasPrefix("1 dead letter would be removed\n\nROUTE  TOPIC  CODE  LETTERS\n"))
        #expect(
            server.requests.map { String(decoding: $0.body, as: UTF8.self) } == [
                "delivery=a%2Fmirror&number=17&number=20-30&code=C&older_than=2h&dry_run=true"
            ])
    }

    @Test(
        arguments: [
            ["deadletters", "rm"], ["deadletters", "rm", "orders"], ["deadletters", "replay", "--all", "--id", "x"],
            ["deadletters", "replay", "orders", "x"], ["deadletters", "rm", "--older-than", "2"], ["setaside", "rm"],
            ["setaside", "rm", "--all"], ["setaside", "rm", "a", "--all", "--route", "r"], ["setaside", "rm", "a/x"],
            ["setaside", "move", "a"], ["setaside", "rm", "a", "b"],
        ])
    func calledWrongly(_ words: [String]) async throws {
        let result = try await BuiltProgram.run(words)
        #expect(result.code == 64 && result.out.isEmpty && !result.error.isEmpty, "\(result.error)")
    }

    @Test func whatTheNodeSays() async throws {
        let server = ScriptedServer { request, _ in
            ScriptedAnswer(
                status: request.method == "POST" ? 503 : 404,
                body: #"{"code":"spool_full","detail":"Only 7 were moved: no room."}"#)
        }
        defer { server.stop() }
        let moved = try await BuiltProgram.run("setaside", "move", "a", "--to", "b", "--url", server.url)
        #expect(moved.code == 69 && moved.error.contains("Only 7 were moved: no room."))
        #expect(server.requests.map { String(decoding: $0.body, as: UTF8.self) } == ["unit=a&to=b"])
        #expect(try await BuiltProgram.run("setaside", "rm", "a", "--url", server.url).code == 1)
    }

    @Test func anEnvelopeHasNothingThatAProducerMayNotSend() async throws {
        let server = ScriptedServer { _, _ in
            let headers = #"[{"name":"own","value":"1"},{"name":"forebay-replayed-at","value":"2026-11-30T08:12:09.120Z"}]"#
            let letter =
                #"{"sequence":3,"topic":"t","code":"C","reason":"r","id":"i","at":"","timestamp":5,"key":null,"headers":\#(headers),"value":"{}"}"#
            return ScriptedAnswer(status: 200, body: #"{"route":"r","dead_letters":[\#(letter)],"next":null}"#)
        }
        defer { server.stop() }
        let shown = try await BuiltProgram.run("deadletters", "show", "r", "3", "--envelope", "--url", server.url)
        #expect(shown.out == #"{"topic": "t", "id": "i", "value": {}, "headers": {"own": "1"}, "timestamp": 5}"# + "\n")
    }

    // MARK: Of a node that is down

    /// A data folder with dead letters of some topics, and something set aside.
    private func folder() async throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        let threads = SpoolThreads()
        let budget = try SpoolBudget(capacity: 1 << 30, directory: folder.path)
        @Sendable func open(_ path: String, _ kind: LogKind) throws(ForebayError) -> Spool {
            try Spool.open(
                SpoolConfiguration(directory: path, kind: kind, segmentSize: 1 << 20) { fatalError("\($0)") }, budget: budget,
                threads: threads, metrics: SpoolMetrics(MetricsRegistry()))
        }
        await (try open("\(folder.path)/spool", .spool)).close()
        let letters = try DeadLetters(route: "r", directory: "\(folder.path)/deadletters/r", threads: threads) {
            path throws(ForebayError) in try open(path, .deadLetters)
        }
        let spool = SpoolID.none
        for number in 0..<6 {
            let batch = EventFactory.batch(
                [.init(number % 2 == 0 ? "even" : "odd", key: "k", value: "v\(number)", timestamp: 5)], spool: spool, first: 0)
            _ = try await letters.append([
                DeadLetter(
                    topic: number % 2 == 0 ? "even" : "odd", code: number < 4 ? "MSG_SIZE_TOO_LARGE" : "INVALID_RECORD", reason: "why",
                    eventID: "id-\(number)", offset: Offset(lane: .spool(spool), number: 0),
                    record: batch.withUnsafeBytes { Array($0) })
            ])
        }
        await letters.close()
        threads.end()
        return folder
    }

    /// A configuration with these routes.
    private func configuration(_ folder: TemporaryFolder, _ routes: [String]) throws -> String {
        try folder.write(
            "forebay.yaml",
            """
            version: 1
            node: { data_dir: "\(folder.path)" }
            clusters: { main: { properties: { bootstrap.servers: k } } }
            routes: { \(routes.map { "\($0): { topics: [\($0)], forward: { to: main } }" }.joined(separator: ", ")) }
            """)
    }

    private func numbers(_ folder: TemporaryFolder) throws -> [UInt64] {
        try DeadLetters.list(directory: "\(folder.path)/deadletters/r", after: nil, limit: 99).map(\.sequence)
    }

    private func units(_ folder: TemporaryFolder) throws -> [String: UInt64] {
        let units = try SetAsideLog.list(directory: "\(folder.path)/setaside/r").filter { $0.end > $0.settled }
        return Dictionary(units.map { ($0.topic, $0.end - $0.settled) }, uniquingKeysWith: +)
    }

    @Test func removesAndReplaysInAFolder() async throws {
        let folder = try await self.folder()
        let configuration = try self.configuration(folder, ["r"])
        let dry = try await BuiltProgram.run("deadletters", "rm", "--topic", "odd", "--dry-run", "--dir", folder.path)
        #expect(dry.code == 0 && dry.out.hasPrefix("3 dead letters would be removed\n\n") && dry.error.isEmpty, "\(dry)")
        #expect(
            dry.out.split(separator: "\n").dropFirst(2).map { $0.split(separator: " ").map(String.init) } == [
                ["r", "odd", "MSG_SIZE_TOO_LARGE", "2"], ["r", "odd", "INVALID_RECORD", "1"],
            ])
        #expect(try self.numbers(folder) == [0, 1, 2, 3, 4, 5])
        let removed = try await BuiltProgram.run("deadletters", "rm", "r", "1", "4-5", "--code", "MSG_SIZE_TOO_LARGE", "--dir", folder.path)
        #expect(removed.code == 0 && removed.out.hasPrefix("1 dead letter is removed\n"), "\(removed)")
        #expect(try self.numbers(folder) == [0, 2, 3, 4, 5])

        let replayed = try await BuiltProgram.run(
            "deadletters", "replay", "--topic", "even", "--dir", folder.path, "--config", configuration)
        #expect(replayed.code == 0 && replayed.out.contains("3 dead letters are replayed: set aside"), "\(replayed)")
        #expect(replayed.error.isEmpty && removed.error.isEmpty, "\(replayed.error)")
        // What it names can be run as it stands there.
        #expect(replayed.out.contains("'forebay setaside ls --dir \(folder.path)' shows what waits"), "\(replayed.out)")
        #expect(try self.numbers(folder) == [3, 5] && self.units(folder) == ["even": 3])
        let listed = try await BuiltProgram.run("setaside", "ls", "--dir", folder.path)
        #expect(listed.out.contains("REPLAYED"))
        let json = try await BuiltProgram.run(
            "deadletters", "replay", "r", "--all", "--json", "--dir", folder.path, "--config", configuration)
        let object = try #require(JSONSerialization.jsonObject(with: Data(json.out.utf8)) as? [String: Any])
        #expect(object["replayed"] as? Int == 2 && object["dry_run"] as? Bool == false && object["more"] as? Bool == false)
        #expect(try self.numbers(folder) == [] && self.units(folder) == ["even": 3, "odd": 2])
        let nothing = try await BuiltProgram.run("deadletters", "rm", "--all", "--dir", folder.path)
        #expect(nothing.code == 0 && nothing.error == "no dead letter is meant by that\n" && nothing.out.isEmpty)
        let one = try await BuiltProgram.run("deadletters", "rm", "r", "3", "--dir", folder.path)
        #expect(one.code == 1, "it was named, and is not there")
        let ofRoute = try await BuiltProgram.run("deadletters", "rm", "r", "--all", "--dir", folder.path)
        #expect(ofRoute.error == "no dead letter is meant by that\n", "it has no mirror")
        #expect(try await BuiltProgram.run("spool", "verify", folder.path).code == 0)

        let moved = try await BuiltProgram.run("setaside", "move", "even", "--to", "odd", "--dir", folder.path)
        #expect(moved.code == 0 && moved.out.hasPrefix("3 events are moved to odd\n"), "\(moved)")
        #expect(moved.error.isEmpty, "\(moved.error)")
        #expect(try self.units(folder) == ["odd": 5])
        let same = try await BuiltProgram.run("setaside", "move", "odd", "--to", "odd", "--dir", folder.path)
        #expect(same.code == 1 && same.error.contains("is not a topic's name"))
        for isDry in [true, false] {
            let words = ["setaside", "move", "odd", "--to", "__consumer_offsets", "--dir", folder.path] + (isDry ? ["--dry-run"] : [])
            let own = try await BuiltProgram.run(words)
            #expect(own.code == 1 && own.error.contains("'__consumer_offsets' is one of Kafka's own topics"))
        }
        let dropped = try await BuiltProgram.run("setaside", "rm", "--route", "r", "--all", "--dry-run", "--dir", folder.path)
        #expect(dropped.code == 0 && dropped.out.hasPrefix("5 events would be removed for good\n"), "\(dropped)")
        #expect(try await BuiltProgram.run("setaside", "rm", "odd", "--dir", folder.path).code == 0)
        #expect(try self.units(folder) == [:])
        let gone = try await BuiltProgram.run("setaside", "rm", "odd", "--dir", folder.path)
        #expect(gone.code == 1 && gone.error == "forebay: Nothing of 'odd' is set aside.\n")
        #expect(try await BuiltProgram.run("spool", "verify", folder.path).code == 0)
    }

    @Test func replaysInAFolderOnlyWhatSomebodyDelivers() async throws {
        let folder = try await self.folder()
        let other = try self.configuration(folder, ["other"])
        let untold = try await BuiltProgram.run("deadletters", "replay", "--all", "--dir", folder.path)
        #expect(untold.code == 64 && untold.error.contains("--config must say which routes there are"))
        #expect(try await BuiltProgram.run("deadletters", "replay", "--all", "--config", other).code == 64, "a node that runs knows")
        for isDry in [true, false] {
            let words = ["deadletters", "replay", "--all", "--dir", folder.path, "--config", other] + (isDry ? ["--dry-run"] : [])
            let kept = try await BuiltProgram.run(words)
            #expect(kept.code == 0 && kept.out.isEmpty && kept.error.contains("r: 6 dead letters stay: The route 'r' is not configured"))
            let named = try await BuiltProgram.run(["deadletters", "replay", "r"] + words.dropFirst(2))
            #expect(named.code == 1 && named.error.contains("The route 'r' is not configured"), "\(named)")
        }
        #expect(try self.numbers(folder).count == 6)
        #expect(!FileManager.default.fileExists(atPath: folder.path + "/setaside/r"))
        #expect(try await BuiltProgram.run("deadletters", "rm", "--all", "--dir", folder.path).out.hasPrefix("6 dead letters are removed"))
    }

    @Test func keepsTheReserveOfTheNode() async throws {
        let folder = try await self.folder()
        let ballast = folder.path + "/ballast"
        try Data(repeating: 0, count: 12_345).write(to: URL(filePath: ballast))
        let configuration = try self.configuration(folder, ["r"])
        for words in [
            ["deadletters", "rm", "r", "1"], ["deadletters", "replay", "--all", "--config", configuration], ["setaside", "rm", "even"],
        ] {
            #expect(try await BuiltProgram.run(words + ["--dir", folder.path]).code == 0)
            #expect(try Data(contentsOf: URL(filePath: ballast)).count == 12_345, "\(words)")
        }
    }

    @Test func wrongFoldersAndOwners() async throws {
        let empty = try TemporaryFolder()
        for words in [["deadletters", "rm", "--all"], ["deadletters", "replay", "--all"], ["setaside", "rm", "a"]] {
            let result = try await BuiltProgram.run(words + ["--dir", empty.path])
            #expect(result.code == 1 && result.error.contains("is not the data_dir of a node"))
        }
        let folder = try await self.folder()
        let unknown = try await BuiltProgram.run("deadletters", "rm", "x", "--all", "--dir", folder.path)
        #expect(unknown.code == 1 && unknown.error.contains("There are no dead letters of 'x'; there are some of r."))
        // Somebody runs with it.
        let threads = SpoolThreads()
        let budget = try SpoolBudget(capacity: 1 << 30, directory: folder.path)
        let spool = try Spool.open(
            SpoolConfiguration(directory: "\(folder.path)/spool", segmentSize: 1 << 20) { fatalError("\($0)") }, budget: budget,
            threads: threads, metrics: SpoolMetrics(MetricsRegistry()))
        let configuration = try self.configuration(folder, ["r"])
        let replay = ["deadletters", "replay", "--all", "--config", configuration]
        for words in [["deadletters", "rm", "--all"], replay, ["setaside", "rm", "a"]] {
            let result = try await BuiltProgram.run(words + ["--dir", folder.path])
            #expect(result.code != 0 && result.error.contains("is in use by another forebay"), "\(result)")
        }
        #expect(try await BuiltProgram.run("deadletters", "rm", "--all", "--dry-run", "--dir", folder.path).code == 0)
        await spool.close()
        threads.end()
        #expect(try self.numbers(folder).count == 6)
    }
}
