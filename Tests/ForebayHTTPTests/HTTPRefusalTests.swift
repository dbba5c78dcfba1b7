import Testing

@testable import ForebayHTTP

@Suite("HTTP refusals")
struct HTTPRefusalTests {
    private static func texts(areConfigured: Bool) -> [String] {
        var configuration = HTTPConfiguration()
        configuration.limits.areConfigured = areConfigured
        let limits = configuration.limits
        return [
            HTTPRefusal.headerTooLarge(limits), .bodyTooLarge(65_536, limits), .timeout(configuration, .request), .memory(limits),
            .memoryOfAddress(limits), .connections(configuration),
        ].map(\.detail)
    }

    @Test("name the key of a bound that the configuration sets, and its value; no key of one that it does not")
    func keys() {
        let bounds = [
            ("16384 bytes", " (limits.header)"), ("65536 bytes", " (limits.body)"), ("30000 ms", " (limits.request_timeout)"),
            ("33554432 bytes", " (limits.in_flight)"), ("8388608 bytes", " (one address's part of limits.in_flight)"),
            ("4096 connections from your address", " (limits.connections_per_address)"),
        ]
        for (text, (value, key)) in zip(Self.texts(areConfigured: true), bounds) { #expect(text.contains(value + key)) }
        for (text, (value, _)) in zip(Self.texts(areConfigured: false), bounds) {
            #expect(text.contains(value) && !text.contains("limits."))
        }
    }
}
