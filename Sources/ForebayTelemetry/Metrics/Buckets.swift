/// Bucket bounds that all stages share, so that their histograms can be laid over each other.
package enum Buckets {
    /// Answers to requests, in seconds: 250 µs to 10 s.
    package static let latency = [
        0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
    ]
    /// Syncs of a disk, in seconds: 50 µs (a cache with a battery) to 10 s (a disk that is dying).
    package static let sync = [
        0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10,
    ]
    /// From acceptance to the far side, in seconds: 10 ms to a day, because outages are long.
    package static let endToEnd: [Double] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60, 300, 1800, 7200, 86_400]
    /// Bytes of events and bodies: powers of four from 256 B to 16 MiB.
    package static let sizes: [Double] = [256, 1024, 4096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216]
    /// Events in a batch, requests in a group.
    package static let counts: [Double] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000]
}
