import ForebayCore

/// Where events are kept from the answer until Kafka has them.
package struct BufferConfiguration: Sendable, Equatable {
    package var spool: Spool

    package struct Spool: Sendable, Equatable {
        /// At most `maxSize` / 8.
        package var segment: Int
        package var maxSize: Int
    }
}

extension BufferConfiguration: ConfigurationPart {
    static let entries: [ConfigurationEntry] = [
        .section("buffer", "Where events are kept, durably, from the answer until Kafka has them."),
        .key("buffer.backend", .choice(["spool"], notYet: ["kafka"]), .standard("spool"), "spool: a log on the local disk."),
        .section("buffer.spool", "The log on the local disk."),
        .key(
            "buffer.spool.segment", .size(64 * KiB...16 * GiB),
            .computed("128MiB, or an eighth of max_size where that is less") { _, given in
                // Its table row comes before max_size, so that may not be complete yet.
                ByteCount.text(min(128 * MiB, (given.number("buffer", "spool", "max_size") ?? .max) / 8))
            },
            example: "128MiB", "The size of one file. At most an eighth of max_size; disk space comes back a file at a time."),
        .key(
            "buffer.spool.max_size", .size(MiB...1024 * TiB), .standard("50GiB"),
            "The most that the spool may take, dead letters and what is set aside included. A disk that can't give so much is warned about, and "
                + "what it can give counts. Nothing that Kafka still has to get is ever deleted, but for what a mirror that is not required gives up."
        ),
        .key(
            "buffer.spool.sync", .choice(["always"], notYet: ["interval"]), .standard("always"),
            "always: no 2xx before the disk has confirmed the event. Requests that arrive together share one sync."),
        .key(
            "buffer.spool.when_full", .choice(["reject"], notYet: []), .standard("reject"),
            "reject: new events get 503 with Retry-After until there is room; nothing already accepted is dropped, but for what a mirror that is not "
                + "required gives up before that."),
        .notYet("buffer.kafka", "A fronting Kafka cluster as the buffer."),
    ]

    init(_ values: ConfigurationDecoder) {
        self.init(spool: Spool(segment: values.number("buffer.spool.segment"), maxSize: values.number("buffer.spool.max_size")))
    }

    static func check(_ checks: inout ConfigurationChecks) {
        let values = checks.values
        guard let setting = values.setting("buffer", "spool", "max_size"), let maximum = values.number("buffer", "spool", "max_size")
        else { return }
        if let segment = values.setting("buffer", "spool", "segment"), let size = values.number("buffer", "spool", "segment"),
            size > maximum / 8
        {
            let (found, most) = (ByteCount.text(size), ByteCount.text(maximum / 8))
            let whole = "buffer.spool.max_size (\(ByteCount.text(maximum)))"
            checks.report(segment, "\(found) is more than an eighth of \(whole); at most \(most)")
        }
        Self.reserve(setting, maximum, &checks)
        Self.largestRequest(setting, maximum, &checks)
    }

    /// What must be written for a route to go on is written from the reserve; if one event does not fit, nothing ever frees it.
    private static func reserve(_ setting: ResolvedSetting, _ maximum: Int, _ checks: inout ConfigurationChecks) {
        guard let event = checks.values.number("limits", "event") else { return }
        let needed = event + 64 * KiB  // Its headers, a segment's header and footer.
        guard maximum / 20 < needed else { return }
        let least = ((needed * 20 + MiB - 1) >> 20) << 20
        checks.warn(
            setting,
            "5 % of it is kept for dead letters and what is set aside; that is less than one event may take (limits.event, "
                + "\(ByteCount.text(event))), so one that Kafka refuses could hold its route up on a full disk; "
                + "make it at least \(ByteCount.text(least)), or limits.event smaller")
    }

    /// One that the empty spool has no room for is told to try again, for ever.
    private static func largestRequest(_ setting: ResolvedSetting, _ maximum: Int, _ checks: inout ConfigurationChecks) {
        guard let body = checks.values.setting("limits", "body"), let size = checks.values.number("limits", "body") else { return }
        let room = maximum - maximum / 20 - 64 * KiB  // Without the reserve, and a segment's header and footer.
        guard size > room else { return }
        checks.warn(
            ConfigurationChecks.blamed(body, setting),
            "a request of limits.body (\(ByteCount.text(size))) never fits into buffer.spool.max_size (\(ByteCount.text(maximum)), 5 % of which is "
                + "kept): it gets 503 for ever; make one of them fit the other")
    }
}
