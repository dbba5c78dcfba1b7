import ForebayTestKit
import Foundation
import Testing

/// What the screen says is wrong, since when, why, and what to do.
extension StatusCommandTests {
    /// A node that runs, with one route and what is said of it.
    static func node(_ route: String, buffer: String = "", culprit: String = "null") -> String {
        #"""
        {"node":"n","version":"1","started_at":"2026-11-21T13:00:00.000Z","uptime_seconds":600.0,"phase":"running","ready":true,"reason":null,
         "stages":[],"buffer":{"name":"spool","bytes":1048576,"capacity":10485760,"fill":0.1,"accepting":true,"first_sequence":0,"durable_sequence":9,
         "segments":1,"missing":[]\#(buffer)},"routes":[{"route":"default","stage":"forward","cluster":"main","in_flight_events":0,"dead_letters":0,\#(route)}],
         "culprit":\#(culprit)}
        """#
    }

    static func troubles(of body: String, setAside: String? = nil) async throws -> String {
        let server = ScriptedServer { request, _ in
            if request.target == "/admin/v1/status" { return ScriptedAnswer(status: 200, body: body) }
            return setAside.map { ScriptedAnswer(status: 200, body: $0) } ?? ScriptedAnswer(status: 404, body: "")
        }
        defer { server.stop() }
        let result = try await BuiltProgram.run("status", "--url", server.url)
        #expect(result.code == 0 && result.error.isEmpty)
        let lines = result.out.split(separator: "\n", omittingEmptySubsequences: false).dropFirst()
        return lines.prefix { !$0.hasPrefix("ROUTE") }.joined(separator: "\n").trimmingCharacters(in: .newlines)
    }

    @Test("a route without events whose cluster is away is no trouble of anybody's yet, and nothing is said to wait")
    func idleAndAway() async throws {
        let body = Self.node(
            #"""
            "state":"idle","lag_events":0,"set_aside_events":0,"set_aside_units":0,
            "last_error":{"code":"_TRANSPORT","reason":"refused","advice":"check that Kafka runs; events wait meanwhile","since":"2026-11-21T13:07:30.000Z"}
            """#)
        #expect(
            try await Self.troubles(of: body) == """
                forward of route default to cluster main can deliver nothing now; no events wait
                    since  2026-11-21T13:07:30.000Z (2 m 30 s ago)
                    why    _TRANSPORT: refused
                    do     check that Kafka runs
                """)
        let aside = try await Self.troubles(of: body.replacing(#""set_aside_events":0"#, with: #""set_aside_events":8631"#))
        #expect(
            aside.hasPrefix(
                """
                forward of route default to cluster main can deliver nothing now; 8,631 events wait, set aside
                    since  2026-11-21T13:07:30.000Z (2 m 30 s ago)
                    why    _TRANSPORT: refused
                    do     check that Kafka runs; events wait meanwhile
                """), "\(aside)")
    }

    @Test("a cursor that waits for room, a clock that was ahead, and what dead letters hold")
    func room() async throws {
        let body = Self.node(
            #"""
            "state":"waiting","lag_events":2,"set_aside_events":0,"set_aside_units":0,
            "last_error":{"code":"spool_full","reason":"dead letters can't be written, and the cursor waits: no room","advice":"make room",
            "since":"2026-12-01T13:07:30.000Z"}
            """#
        ).replacing(#""dead_letters":0"#, with: #""dead_letters":11,"dead_letter_bytes":2097152"#)
        let text = try await Self.troubles(of: body)
        #expect(text.contains("is waiting: 2 events wait") && text.contains("why    spool_full: dead letters can't be written"))
        #expect(text.contains("since  a time that is still to come: the node's clock was set back") && !text.contains("2026-12-01"))
        #expect(text.contains("11 dead letters: Kafka refused these events for good; their files hold 2.0 MiB"))
    }

    @Test(
        "an outage of Kafka: what, since when, why, what to do",
        arguments: [
            ("_ALL_BROKERS_DOWN", "1/1 brokers are down", "check that Kafka runs"),
            ("_AUTHENTICATION", "SASL authentication error: Invalid username or password", "check sasl.username and sasl.password"),
            ("_TIMED_OUT", "the broker takes connections and answers nothing", "look at the broker: is it frozen?"),
        ])
    func anOutage(_ code: String, _ reason: String, _ advice: String) async throws {
        let body = Self.node(
            #"""
            "state":"waiting","lag_events":4200,"oldest_event_age_seconds":125.0,"set_aside_events":0,"set_aside_units":0,
            "last_error":{"code":"\#(code)","reason":"\#(reason)","advice":"\#(advice)","since":"2026-11-21T13:07:30.000Z"}
            """#)
        #expect(
            try await Self.troubles(of: body) == """
                forward of route default to cluster main is waiting: 4,200 events wait, the oldest for 2 m 5 s
                    since  2026-11-21T13:07:30.000Z (2 m 30 s ago)
                    why    \(code): \(reason)
                    do     \(advice)
                """)
    }

    @Test func whatIsNotKnownIsSaidToBe() async throws {
        let route = #""state":"down","lag_events":1,"oldest_event_age_seconds":1.0,"set_aside_events":0,"last_error":"#
        for (error, why) in [("null", "not known yet; the log has what the cluster said"), (#""no brokers""#, "no brokers")] {
            #expect(
                try await Self.troubles(of: Self.node(route + error)) == """
                    forward of route default to cluster main is down: 1 event waits, the oldest for 1.0 s
                        why    \(why)
                        do     restart Forebay once the reason is gone
                    """)
        }
    }

    @Test("right after a start nothing is said of a delivery that could not ask its cluster yet, and knows of no error")
    func stillSettling() async throws {
        for (uptime, state, error, isTold) in [
            ("0.1", "waiting", "null", false), ("4.9", "restarting", "null", false), ("5.0", "waiting", "null", true),
            ("0.1", "down", "null", true), ("0.1", "waiting", #"{"code":"_TRANSPORT","reason":"refused"}"#, true),
        ] {
            let route = #""state":"\#(state)","lag_events":1,"oldest_event_age_seconds":0.1,"set_aside_events":0,"last_error":\#(error)"#
            let body = Self.node(route).replacing(#""uptime_seconds":600.0"#, with: #""uptime_seconds":\#(uptime)"#)
            let told = try await Self.troubles(of: body)
            #expect((told != "nothing is stuck") == isTold, "\(told)")
        }
    }

    @Test func oneTopicSetAside() async throws {
        let aside = #"""
            {"routes":[{"route":"default","units_total":2,"events":9,"units":[
              {"unit":"orders/3","topic":"orders","partition":3,"state":"waiting","code":"LEADER_NOT_AVAILABLE","reason":"no leader\u202e",
               "advice":"bring back the broker","since":"2026-11-21T13:09:00.000Z","events":4,"oldest_event_age_seconds":13.0}]}]}
            """#
        let route = #""state":"idle","lag_events":0,"set_aside_events":9,"set_aside_units":2,"last_error":null"#
        let text = try await Self.troubles(of: Self.node(route), setAside: aside)
        #expect(
            text.hasPrefix(
                """
                partition 3 of topic orders (route default) is set aside: 4 events wait, the oldest for 13.0 s
                    since  2026-11-21T13:09:00.000Z (1 m 0 s ago)
                    why    LEADER_NOT_AVAILABLE: no leader\\u202e
                    do     bring back the broker

                1 more topics or partitions of route default are set aside
                    do     'forebay setaside ls --route default --url http://
                """))
    }

    @Test func aFullSpoolAndOneThatFills() async throws {
        let route = #""state":"waiting","lag_events":0,"set_aside_events":0,"last_error":null"#
        let culprit = #"{"message":"forward of route default is behind"}"#
        let full = Self.node(route, buffer: #","full_since":"2026-11-21T13:09:59.000Z""#, culprit: culprit)
            .replacingOccurrences(of: #""fill":0.1,"accepting":true"#, with: #""fill":0.93,"accepting":false"#)
        #expect(
            try await Self.troubles(of: full) == """
                new events are refused with 503: the spool is full (1.0 MiB of 10.0 MiB)
                    since  2026-11-21T13:09:59.000Z (1.0 s ago)
                    why    forward of route default is behind
                    do     mend what holds it, or raise buffer.spool.max_size if the disk has more, and restart
                """)
        // The disk gives less than max_size: that is what is full.
        let disk = full.replacingOccurrences(of: #""capacity":10485760"#, with: #""capacity":10485760,"max_size":20971520"#)
        #expect(
            try await Self.troubles(of: disk).hasPrefix(
                """
                new events are refused with 503: the disk is full
                    since  2026-11-21T13:09:59.000Z (1.0 s ago)
                    why    the spool has 1.0 MiB of 20.0 MiB that it may take, and the disk gives no more
                """))
        let filling = Self.node(route, culprit: culprit).replacingOccurrences(of: #""fill":0.1"#, with: #""fill":0.75"#)
        #expect(
            try await Self.troubles(of: filling).hasPrefix("the spool is filling up: 75 %\n    why    forward of route default is behind\n")
        )
        let yielding = filling.replacing(#"{"message":"#, with: #"{"gives_way":true,"message":"#)
        #expect(try await Self.troubles(of: yielding).contains("do     nothing is refused for it: it is not required"))
        #expect(try await Self.troubles(of: filling).contains("do     mend what holds it; at its end new events are refused with 503"))
        #expect(try await Self.troubles(of: Self.node(route)) == "nothing is stuck")
        let gone = Self.node(route).replacingOccurrences(of: #""ready":true,"reason":null"#, with: #""ready":false,"reason":"/d is gone""#)
        #expect(try await Self.troubles(of: gone).hasPrefix("new events are refused with 503\n    why    /d is gone\n"))
        // Of a node that starts nobody knows that yet.
        #expect(try await Self.troubles(of: Self.node(route).replacingOccurrences(of: "running", with: "starting")).isEmpty)
    }

    @Test("a log that is gone is named, also that of a route that is called as the spool is")
    func logsThatAreGone() async throws {
        for (file, log) in [
            ("/d/spool", "the spool"), ("/d/setaside/orders@mirror", "setaside/orders/mirror"), ("/d/setaside/spool", "setaside/spool"),
            ("/d/deadletters/spool", "deadletters/spool"),
        ] {
            let alarms =
                #"[{"log":"spool","what":"it is gone","file":"\#(file)","lost_first":null,"lost_end":null,"advice":"put it back"}]"#
            let route = #""state":"idle","lag_events":0,"set_aside_events":0,"set_aside_units":0,"last_error":null"#
            let body = Self.node(route).replacingOccurrences(of: #""culprit":null"#, with: #""culprit":null,"alarms":\#(alarms)"#)
            #expect(try await Self.troubles(of: body).hasPrefix("\(log) is gone: how much was in it is not known any more\n"), "\(file)")
        }
    }

    @Test("a file that held events no one can count: not said to have lost nothing more")
    func uncountedLoss() async throws {
        let alarms =
            #"[{"kind":"damage","log":"setaside/r3","what":"events accepted last may be lost","file":"/d/setaside/r3/segments","uncounted":true,"advice":"look"}]"#
        let route = #""state":"idle","lag_events":0,"set_aside_events":0,"set_aside_units":0,"last_error":null"#
        let body = Self.node(route).replacingOccurrences(of: #""culprit":null"#, with: #""culprit":null,"alarms":\#(alarms)"#)
        let text = try await Self.troubles(of: body)
        #expect(
            text.hasPrefix("events of setaside/r3 may be lost, nobody can say how many: a file that held some is damaged or gone\n"),
            "\(text)")
    }

    @Test("a clock that is not set is no trouble of the disk")
    func clockNotSet() async throws {
        let route = #""state":"idle","lag_events":0,"set_aside_events":0,"set_aside_units":0,"last_error":null"#
        let body = Self.node(route).replacing(#""ready":true,"reason":null"#, with: #""ready":false,"reason":"clock: it is 1970""#)
        #expect(
            try await Self.troubles(of: body) == """
                new events are refused with 503
                    why    clock: it is 1970
                    do     set the clock of this node (timedatectl, NTP); nothing has to be restarted
                """)
    }

    @Test func aRemovedRouteAndWhatTheDiskLost() async throws {
        let route = #"""
            "state":"idle","lag_events":0,"set_aside_events":0,"last_error":null},
            {"route":"old","stage":"forward","cluster":null,"state":"removed","cursor":7,"lag_events":1500,"oldest_event_age_seconds":60.0,
             "in_flight_events":0,"in_flight_bytes":0,"dead_letters":2,"set_aside_events":3,"set_aside_units":1,"held_bytes":3145728,"last_error":null
            """#
        let alarms = #"""
            [{"kind":"not_removed","log":"spool","what":"nobody needs it any more, and it can't be removed","file":"/d/spool/segments/3.segment",
              "lost_first":null,"lost_end":null,"topic":null,"noticed_at":"2026-11-21T13:00:00.000Z","advice":"it is tried again"},
             {"log":"spool","what":"the cursor can't be read","file":"/d/spool/cursors/forward.old","lost_first":null,"lost_end":null,"topic":null,
              "noticed_at":"2026-11-21T13:00:00.000Z","advice":"nothing is lost"},
             {"log":"setaside/default","what":"a segment is gone","file":"segment 4","lost_first":7,"lost_end":19,"topic":"orders",
              "noticed_at":"2026-11-21T13:09:00.000Z","advice":"look at the disk"}]
            """#
        let body = Self.node(route).replacingOccurrences(of: #""culprit":null"#, with: #""culprit":null,"alarms":\#(alarms)"#)
        let text = try await Self.troubles(of: body, setAside: #"{"routes":[{"route":"old","units_total":1,"units":[{"unit":"t"}]}]}"#)
        #expect(
            text.hasPrefix(
                """
                12 events of topic orders are lost to damage of the disk (from 7 on)
                    since  2026-11-21T13:09:00.000Z (1 m 0 s ago)
                    why    setaside/default, segment 4: a segment is gone
                    do     look at the disk

                a file of spool that nobody needs can't be removed, and keeps its room
                    since  2026-11-21T13:00:00.000Z (10 m 0 s ago)
                    why    spool, /d/spool/segments/3.segment: nobody needs it any more, and it can't be removed
                    do     it is tried again

                a file of spool is damaged or gone: nothing more than is said here is lost
                    since  2026-11-21T13:00:00.000Z (10 m 0 s ago)
                    why    spool, /d/spool/cursors/forward.old: the cursor can't be read
                    do     nothing is lost

                route old is not configured any more: 1,500 events wait, 3 are set aside, 2 are dead letters
                    why    they are kept until somebody decides, and hold 3.0 MiB of the disk
                    do     add it back, name it under formerly of the route that took its place, or give it up: 'forebay routes forget old --dry-run --url
                """), "\(text)")
        #expect(!text.contains("Kafka refused") && !text.contains("topic t"), "told of once")
    }
}
