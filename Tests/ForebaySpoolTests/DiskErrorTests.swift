import ForebayCore
import Foundation
import Glibc
import Testing

@testable import ForebaySpool

@Suite("Disk errors")
struct DiskErrorTests {
    @Test("a file that may not be opened is told with its owner, where that is another user; nothing else is")
    func owner() throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("forebay-owner-\(UUID().uuidString)").path
        try Data().write(to: URL(fileURLWithPath: path))
        defer { try? FileManager.default.removeItem(atPath: path) }  // Cleaning up is a courtesy.
        #expect(ForebayError.disk("open", path, EACCES).message == "open \(path)", "it is ours")
        // Only root can give it away; whoever else runs this has root's folder for it.
        let (other, user) = geteuid() == 0 ? (path, uid_t(65_534)) : ("/", 0)
        if geteuid() == 0 { #expect(chown(path, user, user) == 0) }
        let name = String(cString: getpwuid(user)!.pointee.pw_name)
        #expect(ForebayError.disk("open", other, EACCES).message == "open \(other), which belongs to \(name)")
        for number in [EIO, EROFS] { #expect(ForebayError.disk("open", other, number).message == "open \(other)") }
        #expect(ForebayError.disk("open", path + ".none", EACCES).message == "open \(path).none")
    }
}
