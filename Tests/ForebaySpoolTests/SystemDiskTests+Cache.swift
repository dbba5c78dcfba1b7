import ForebayCore
import Foundation
import Glibc
import Testing

@testable import ForebaySpool

extension SystemDiskTests {
    /// Pages of a file that are in memory.
    private func cached(_ path: String, _ size: Int) throws -> [Int] {
        let descriptor = open(path, O_RDONLY)
        defer { close(descriptor) }
        let pages = try #require(mmap(nil, size, PROT_READ, MAP_SHARED, descriptor, 0))
        defer { munmap(pages, size) }
        var found = [UInt8](repeating: 0, count: size / 4096)
        #expect(mincore(pages, size, &found) == 0)
        return found.indices.filter { found[$0] & 1 == 1 }
    }

    @Test("what is cached of a file is let go of: it is read from the device next time")
    func cacheIsDropped() throws {
        // Kept over restarts, so on a device, which a temporary folder may not be.
        let path = "/var/tmp/forebay-cache-" + UUID().uuidString, size = 1 << 20
        defer { unlink(path) }
        let file = try SystemDisk().open(path, [.write, .create])
        try file.write([UInt8](repeating: 7, count: size), at: 0)
        try file.sync()
        #expect(try self.cached(path, size).count == 256)
        file.dropCache()
        let kept = try self.cached(path, size)
        #expect(kept.count < 16 && kept.first != 0, "\(kept)")
        #expect(try file.bytes(at: 0, count: size) == [UInt8](repeating: 7, count: size))
    }

    @Test("a device that fails is not waited for where somebody else waits")
    func impatient() throws {
        // At 0 nothing is mapped, which is EIO to whoever reads it.
        let file = try SystemDisk().open("/proc/self/mem", .impatient)
        let began = ContinuousClock.now
        for _ in 0..<3 { #expect { try file.bytes(at: 0, count: 64) } throws: { ($0 as? ForebayError)?.isUnread == true } }
        #expect(ContinuousClock.now - began < .seconds(10))
    }
}
