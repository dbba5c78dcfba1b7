import Foundation
import Testing

@testable import ForebayTelemetry

@Suite("Timestamp")
struct TimestampTests {
    @Test(
        "known instants",
        arguments: [
            (Int64(0), "1970-01-01T00:00:00.000Z"),
            (1, "1970-01-01T00:00:00.001Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_709_164_799_999, "2024-02-28T23:59:59.999Z"),
            (4_107_542_399_999, "2100-02-28T23:59:59.999Z"),  // 2100 has no leap day.
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
        ])
    func knownInstants(milliseconds: Int64, text: String) {
        #expect(Timestamp.rfc3339(milliseconds) == text)
    }

    @Test("agrees with the C library over two centuries")
    func agreesWithTheCLibrary() {
        var generator = SplitMix(seed: 11)
        for _ in 0..<20_000 {
            let milliseconds = Int64.random(in: -3_000_000_000_000..<6_000_000_000_000, using: &generator)
            var seconds = time_t(milliseconds / 1000 - (milliseconds % 1000 < 0 ? 1 : 0))
            var parts = tm()
            gmtime_r(&seconds, &parts)
            let numbers = [parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec]
            let found = Timestamp.rfc3339(milliseconds).split(whereSeparator: { "-T:.Z".contains($0) }).map { Int32($0)! }
            #expect(Array(found.prefix(6)) == numbers)
        }
    }
}

/// A small generator with a seed, so that a failure can be repeated.
struct SplitMix: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { self.state = seed }
    mutating func next() -> UInt64 {
        self.state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = self.state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
