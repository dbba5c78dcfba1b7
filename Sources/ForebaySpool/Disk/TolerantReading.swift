import ForebayCore
import Glibc

extension DiskFile {
    /// Reads what can be read: a block that the device can't give any more comes back as zeros, whose checksum is wrong, so it is damage
    /// like any other and holds up nothing else.
    ///
    /// - Parameters:
    ///   - buffer: whole blocks from aligned memory, so that the same code reads with O_DIRECT.
    ///   - position: a multiple of a block.
    ///   - unread: gets the positions of the blocks that could not be read.
    /// - Returns: bytes read; fewer than asked only at the end of the file.
    func readTolerant(
        into buffer: UnsafeMutableRawBufferPointer, at position: Int, unread: inout Set<Int>
    ) throws(ForebayError) -> Int {
        do throws(ForebayError) {
            return try self.read(into: buffer, at: position)
        } catch {
            guard error.systemCode == EIO else { throw error }
        }
        // Once more, in small pieces: only those that hold a bad sector are lost.
        let size = try self.size()
        var done = 0
        while done < buffer.count, position + done < size {
            let piece = UnsafeMutableRawBufferPointer(rebasing: buffer[done..<min(buffer.count, done + SpoolFormat.block)])
            do throws(ForebayError) {
                let count = try self.read(into: piece, at: position + done)
                if count == 0 { break }
            } catch {
                guard error.systemCode == EIO else { throw error }
                memset(piece.baseAddress!, 0, piece.count)
                unread.insert(position + done)
            }
            done += piece.count
        }
        return min(done, max(0, size - position))
    }

    /// The same into an array; `position` a multiple of a block.
    func bytesTolerant(at position: Int, count: Int) throws(ForebayError) -> [UInt8] {
        let slab = Slab(capacity: SpoolFormat.aligned(max(count, 1)), alignment: SpoolFormat.block)
        let buffer = UnsafeMutableRawBufferPointer(start: slab.base, count: SpoolFormat.aligned(count))
        var unread: Set<Int> = []
        let found = try self.readTolerant(into: buffer, at: position, unread: &unread)
        return Array(UnsafeRawBufferPointer(start: slab.base, count: min(count, found)))
    }
}
