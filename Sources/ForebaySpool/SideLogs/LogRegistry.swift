import ForebayCore

/// The logs of a data folder, by the folders that they lie in, with their ids: what of them a start must find. Kept as ``RegistryText``
/// says.
///
///     forebay-logs 1
///     generation 12
///     log spool 8N1ZQ5F3W7YKD2RC
///     log setaside/orders 0B7K3V9QXH2M5TWA               from before the first event in it, until it is given up, or stopped with none
///     log deadletters/orders 4ZJ2M8T6C1RWQF5D
///     crc32c 5f0e2a91
struct LogRegistry: RegistryText, Equatable {
    static let files = ["registry", "registry.copy"]
    private static let title = "forebay-logs 1"

    var generation: UInt64 = 0
    var logs: [String: SpoolID] = [:]

    init() {}

    var encoded: [UInt8] {
        CheckedText.encode(
            [Self.title, "generation \(self.generation)"]
                + self.logs.sorted { $0.key < $1.key }.map { "log \(CheckedText.escaped($0.key)) \($0.value)" })
    }

    init?(decoding bytes: [UInt8]) {
        guard let words = CheckedText.decode(bytes), words.count >= 2, words[0].joined(separator: " ") == Self.title, words[1].count == 2,
            words[1][0] == "generation", let generation = UInt64(words[1][1]), generation < SpoolFormat.highestMark
        else { return nil }
        self.generation = generation
        for line in words.dropFirst(2) {
            guard line.count == 3, line[0] == "log", let name = CheckedText.unescaped(line[1]), let log = CheckedText.spoolID(line[2])
            else { return nil }
            self.logs[name] = log
        }
    }
}
