import Foundation

/// Python as an independent judge: one process for many cases.
enum Python {
    static let isPresent: Bool = FileManager.default.isExecutableFile(atPath: Self.path)
    private static let path = "/usr/bin/env"

    struct Failed: Error { let status: Int32 }

    /// Runs a script that reads cases (`u32` little-endian length, then the bytes) on stdin.
    ///
    /// - Returns: what it wrote, one answer a line.
    static func judge(_ script: String, cases: [[UInt8]]) throws -> [String] {
        var input = Data()
        for bytes in cases {
            withUnsafeBytes(of: UInt32(bytes.count).littleEndian) { input.append(contentsOf: $0) }
            input.append(contentsOf: bytes)
        }
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("forebay-oracle-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }  // A left-over folder in /tmp fails no test.
        let source = folder.appendingPathComponent("cases")
        try input.write(to: source)
        let process = Process()
        process.executableURL = URL(fileURLWithPath: self.path)
        process.arguments = ["python3", "-c", Self.prelude + script]
        process.standardInput = try FileHandle(forReadingFrom: source)
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let answer = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw Failed(status: process.terminationStatus) }
        return String(decoding: answer, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false).dropLast().map(String.init)
    }

    private static let prelude = """
        import sys, struct, json
        def cases():
            data = sys.stdin.buffer.read()
            at = 0
            while at < len(data):
                n, = struct.unpack_from('<I', data, at)
                yield data[at + 4:at + 4 + n]
                at += 4 + n
        def refuse(name):
            raise ValueError(name)
        def strict(data, pairs=None):
            # Numbers stay text: Python's own limits on their size are not the grammar's.
            return json.loads(data.decode('utf-8'), parse_constant=refuse, parse_int=str, parse_float=str, object_pairs_hook=pairs)
        def depth(data):
            deepest = now = 0
            inside = escaped = False
            for c in data:
                if inside:
                    if escaped: escaped = False
                    elif c == 0x5c: escaped = True
                    elif c == 0x22: inside = False
                elif c == 0x22: inside = True
                elif c in b'{[':
                    now += 1
                    deepest = max(deepest, now)
                elif c in b'}]': now -= 1
            return deepest

        """
}

/// SplitMix64: the same numbers for the same seed, everywhere.
struct SeededGenerator: RandomNumberGenerator {
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
