import ForebayCore

/// The logs of a data folder, by the folders that they lie in, with their ids and how far they went: what of them a start must find. Kept
/// as ``RegistryText`` says.
///
///     forebay-logs 1
///     generation 12
///     log spool 8N1ZQ5F3W7YKD2RC 41923                   one past its last durable sequence at the last start, or clean stop
///     log setaside/orders 0B7K3V9QXH2M5TWA               from before the first event in it, until it is given up, or stopped with none
///     log deadletters/orders 4ZJ2M8T6C1RWQF5D
///     crc32c 5f0e2a91
struct LogRegistry: RegistryText, Equatable {
    static let files = ["registry", "registry.copy"]
    private static let title = "forebay-logs 1"

    var generation: UInt64 = 0
    var logs: [String: SpoolID] = [:]
    /// Everything below it was durable; none: not known.
    var ends: [String: UInt64] = [:]

    init() {}

    var encoded: [UInt8] {
        CheckedText.encode(
            [Self.title, "generation \(self.generation)"]
                + self.logs.sorted { $0.key < $1.key }.map { name, log in
                    "log \(CheckedText.escaped(name)) \(log)" + (self.ends[name].map { " \($0)" } ?? "")
                })
    }

    /// By log, whatever its folder is called now.
    var knownEnds: [SpoolID: UInt64] {
        Dictionary(self.ends.compactMap { name, end in self.logs[name].map { ($0, end) } }) { max($0, $1) }
    }

    init?(decoding bytes: [UInt8]) {
        guard let words = CheckedText.decode(bytes), words.count >= 2, words[0].joined(separator: " ") == Self.title, words[1].count == 2,
            words[1][0] == "generation", let generation = UInt64(words[1][1]), generation < SpoolFormat.highestMark
        else { return nil }
        self.generation = generation
        // Another word is a later version's, which lets it be passed over.
        for line in words.dropFirst(2) where line.first.map({ $0 == "log" }) ?? true {
            guard (3...4).contains(line.count), let name = CheckedText.unescaped(line[1]),
                let log = CheckedText.spoolID(line[2])
            else { return nil }
            self.logs[name] = log
            guard line.count == 4 else { continue }
            guard let end = UInt64(line[3]), end < SpoolFormat.highestMark else { return nil }
            self.ends[name] = end
        }
    }
}
