import ForebayCore
import ForebayTestKit
import Foundation
import Glibc
import Testing

@testable import ForebaySpool

/// What reads past bad sectors.
extension SystemDiskTests {
    private func content(_ blocks: Int, rest: Int = 0) -> [UInt8] { (0..<blocks * 4096 + rest).map { UInt8(1 + $0 / 4096) } }

    @Test("blocks that can't be read come back as zeros, and all others as they are", arguments: [0, 100])
    func tolerant(rest: Int) throws {
        let all = self.content(4, rest: rest)
        for bad in [[], [0], [2], [3], [4], [1, 2], [0, 1, 2, 3, 4]] as [Set<Int>] {
            let file = MemoryFile(all)
            file.fail(bad)
            var expected = all
            for place in all.indices where bad.contains(place / 4096) { expected[place] = 0 }
            #expect(try file.bytesTolerant(at: 0, count: 5 * 4096) == expected, "\(bad)")
            #expect(try file.bytesTolerant(at: 8192, count: 4096) == Array(expected[8192..<12_288]), "\(bad)")
            #expect(try file.bytesTolerant(at: 4096, count: 5000) == Array(expected[4096..<9096]), "\(bad)")
            #expect(try file.bytesTolerant(at: 12_288, count: 9000) == Array(expected[12_288...]), "\(bad)")
            #expect(try file.bytesTolerant(at: 20_480, count: 10) == [], "\(bad)")
            #expect(try file.bytesTolerant(at: 40_960, count: 10) == [], "\(bad)")
            #expect(try file.bytesTolerant(at: 0, count: 0) == [], "\(bad)")
        }
    }

    @Test("what is no bad sector is told: in the first read, and in those block by block")
    func intolerant() throws {
        let file = MemoryFile(self.content(4))
        file.fail([2], EMFILE)
        #expect(self.failure { _ = try file.bytesTolerant(at: 0, count: 16_384) } == "system_call rewindAndRestart read block 2 \(EMFILE)")
        #expect(try file.bytesTolerant(at: 0, count: 8192) == self.content(2))
        final class Changing: DiskFile {
            let inner: MemoryFile
            init(_ inner: MemoryFile) { self.inner = inner }
            var path: String { "/changing" }
            func read(into buffer: UnsafeMutableRawBufferPointer, at position: Int) throws(ForebayError) -> Int {
                defer { self.inner.fail([2], EMFILE) }
                return try self.inner.read(into: buffer, at: position)
            }
            func write(_ bytes: UnsafeRawBufferPointer, at position: Int) throws(ForebayError) {}
            func truncate(to size: Int) throws(ForebayError) {}
            func size() throws(ForebayError) -> Int { try self.inner.size() }
            func syncData() throws(ForebayError) {}
            func sync() throws(ForebayError) {}
            func hasName() throws(ForebayError) -> Bool { true }
            func dropCache() {}
            func lock() throws(ForebayError) -> Bool { true }
        }
        file.fail([2])
        #expect(self.failure { _ = try Changing(file).bytesTolerant(at: 0, count: 16_384) }.hasSuffix(" \(EMFILE)"))
    }

    @Test("a sound file is read at once, and a bad one block by block after that")
    func reads() throws {
        let file = MemoryFile(self.content(4, rest: 100))
        _ = try file.bytesTolerant(at: 4096, count: 6000)
        #expect(file.reads == [4096..<12_288], "whole blocks")
        file.fail([1])
        _ = try file.bytesTolerant(at: 0, count: 9000)
        #expect(Array(file.reads.dropFirst()) == [0..<12_288, 0..<4096, 4096..<8192, 8192..<12_288])
    }
}
