import Testing

@testable import ForebayTestKit

@Suite("Room on a simulated disk")
struct SimulatedRoomTests {
    private static let block = SimulatedInode.block

    /// A file of two blocks, with one name, that is open so often.
    private func file(_ room: inout SimulatedRoom, opens: Int = 0) -> SimulatedInode {
        let inode = SimulatedInode(number: 1, content: [UInt8](repeating: 1, count: Self.block + 1))
        (inode.links, inode.opens) = (1, opens)
        room.charge(inode.allocated)
        return inode
    }

    @Test("a file takes whole blocks, and gives them back when it is cut")
    func blocks() {
        var room = SimulatedRoom(capacity: 10 * Self.block)
        let inode = self.file(&room)
        #expect(room.used == 2 * Self.block && room.free == 8 * Self.block)
        room.resize(inode, to: 5)
        #expect(room.used == Self.block && inode.size == 5)
        room.resize(inode, to: 3 * Self.block)
        #expect(room.used == 3 * Self.block && inode.size == 3 * Self.block)
    }

    @Test("what has no name keeps its room until the last one has closed it, or no process is left")
    func orphans() {
        var room = SimulatedRoom(capacity: 10 * Self.block)
        let inode = self.file(&room, opens: 2)
        inode.links = 2
        room.unlink(inode)
        room.unlink(inode)
        room.close(inode)
        #expect(room.used == 2 * Self.block)
        room.close(inode)
        #expect(room.used == 0)
        room.unlink(self.file(&room))
        #expect(room.used == 0, "at once when nobody has it open")
        room.unlink(self.file(&room, opens: 1))
        #expect(room.used == 2 * Self.block)
        room.closeAll()
        room.closeAll()
        #expect(room.used == 0)
    }

    @Test("others may take all that is left, and give it back; after a cut only what is there counts")
    func eaten() {
        var room = SimulatedRoom(capacity: 10 * Self.block)
        let inode = self.file(&room)
        room.eat(true)
        #expect(room.free == 0 && room.used == 2 * Self.block)
        room.eat(false)
        #expect(room.free == 8 * Self.block)
        room.capacity = Self.block
        #expect(room.free == 0, "a disk that became smaller than what is on it")
        room.beginAnew(with: [inode, inode])
        #expect(room.used == 4 * Self.block)
    }
}
