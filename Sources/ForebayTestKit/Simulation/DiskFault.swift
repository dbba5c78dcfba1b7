/// One thing that goes wrong on a ``SimulatedDisk`` while a process runs, as a round's plan lists it.
package struct DiskFault: Sendable, Equatable {
    package enum Kind: String, Sendable, CaseIterable {
        /// EIO on reading; the sectors stay bad.
        case badSector
        /// EIO on reading, for as long as it lasts.
        case readFails
        /// EIO on writing, a part of it may be on the disk.
        case writeFails
        /// EIO on removing a file: its folder can't be written.
        case removeFails
        /// What was not synced may be gone, and the next sync says that all is well.
        case syncLosesData
        /// What was not synced is still there to be synced.
        case syncKeepsData
        /// Takes seconds.
        case syncHangs
        /// ENOSPC, from any call that may say so.
        case noSpace
        /// ENOSPC from a sync: where the file system finds room only when it writes (delayed allocation, thin volumes, NFS).
        case noSpaceAtSync
        /// EMFILE.
        case tooManyFiles
        /// Another process takes all the room there is, and gives it back.
        case diskEaten
        /// The time of day jumps.
        case clockJumps
        /// Somebody deletes a file that is in use.
        case fileVanishes
        /// Somebody moves a folder away that is in use, or mounts something over it, for as long as it lasts.
        case folderAway
        /// The disk tells no room at all, or fails to tell.
        case spaceUnknown
    }

    package let kind: Kind
    /// The first call of the process that it may strike, from 1.
    package let call: Int
    /// How many calls it lasts, for those that last; how many calls it strikes, for the others.
    package let count: Int

    package init(kind: Kind, call: Int, count: Int) {
        self.kind = kind
        self.call = call
        self.count = count
    }
}

/// How a process ends at a call of its disk.
package struct DiskDeath: Sendable, Equatable, CustomStringConvertible {
    package enum Kind: String, Sendable, CaseIterable {
        /// kill -9: all that was written stays.
        case kill
        /// What was not synced stays in part.
        case powerCut
    }

    package let kind: Kind
    package let call: Int
    /// Not before the next write into a segment of the spool.
    package let isAtWrite: Bool

    package init(kind: Kind, call: Int, isAtWrite: Bool = false) {
        self.kind = kind
        self.call = call
        self.isAtWrite = isAtWrite
    }

    package var description: String { "\(self.kind.rawValue) at \(self.isAtWrite ? "a write of the spool from " : "")call \(self.call)" }
}
