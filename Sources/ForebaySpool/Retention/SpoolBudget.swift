package import ForebayCore
import Synchronization

/// How much all logs of a node may take together, and what is left: the spool and its side logs count in one `max_size`.
///
///     |------------ spool ------------|--- reserve ---|   max_size, or what the disk can give if that is less
///
/// The reserve (5 % of the smaller of `max_size` and the disk) belongs to cursors, dead letters and set-aside events. Part of it is really
/// taken, by a file (``Ballast``), because others write on the disk, too.
package final class SpoolBudget: Sendable {
    /// `max_size`.
    package let limit: Int
    package let reserve: Int
    private let disk: any Disk
    private let directory: String
    private let ballast: Ballast
    private let used = Atomic<Int>(0)
    /// Of that, what no file has yet: segments grow into it.
    private let ahead = Atomic<Int>(0)
    /// What the file system says, less what was written since.
    private let diskFree: Atomic<Int>
    private let maker = Mutex(Maker())

    private struct Maker { weak var maker: (any RoomMaker)? }

    /// - Parameters:
    ///   - capacity: `max_size`.
    ///   - directory: on the disk whose free room counts; it must be there.
    ///   - ballast: bytes of the file that keeps part of the reserve; 0: none is made.
    package convenience init(
        capacity: Int, directory: String, disk: any Disk = SystemDisk(), ballast: Int = 0
    ) throws(ForebayError) {
        try self.init(capacity: capacity, directory: directory, disk: disk) { path, reserve in
            Ballast(disk, path, size: min(ballast, reserve))
        }
    }

    /// Of a node that is down: its file stays as it is, unless its room is needed.
    convenience init(keepingBallastIn directory: String, disk: any Disk) throws(ForebayError) {
        try self.init(capacity: .max, directory: directory, disk: disk) { path, _ throws(ForebayError) in
            try Ballast(keeping: path, disk)
        }
    }

    private init(
        capacity: Int, directory: String, disk: any Disk, _ ballast: (_ path: String, _ reserve: Int) throws(ForebayError) -> Ballast
    ) throws(ForebayError) {
        try Folder(disk).make(directory)
        let space = try disk.space(directory)
        self.limit = capacity
        self.disk = disk
        self.directory = directory
        self.reserve = min(capacity, space.total) / 20
        self.diskFree = Atomic(space.free)
        self.ballast = try ballast("\(directory)/ballast", self.reserve)
        self.used.wrappingAdd(try self.ballast.sizeOnDisk(), ordering: .relaxed)
    }

    /// Bytes of all files of all logs, with what the segments that are being written have charged ahead.
    package var usedBytes: Int { self.used.load(ordering: .relaxed) }

    /// Bytes of all files of all logs as they are: the zeros of those that were prepared, and the ballast, with them.
    package var fileBytes: Int { self.usedBytes - self.ahead.load(ordering: .relaxed) }

    /// Bytes that they may take: `max_size`, or what they take and the disk still has, if that is less.
    package var capacity: Int { min(self.limit, self.fileBytes + max(0, self.diskFree.load(ordering: .relaxed))) }

    /// Bytes of new files that a log may still make.
    package func room(for kind: LogKind) -> Int {
        let left = self.roomBesideBallast
        return kind.isSideLog ? left + self.ballast.held : left - (self.reserve - self.ballast.held)
    }

    /// Bytes that are free while the ballast is kept.
    var roomBesideBallast: Int {
        min(self.limit - self.usedBytes, self.diskFree.load(ordering: .relaxed) - self.ahead.load(ordering: .relaxed))
    }

    /// Charges bytes of files, or gives them back.
    ///
    /// - Parameter ahead: of these, what the files don't have, or did not have.
    func add(_ bytes: Int, ahead: Int = 0) {
        self.used.wrappingAdd(bytes, ordering: .relaxed)
        self.ahead.wrappingAdd(ahead, ordering: .relaxed)
        self.diskFree.wrappingSubtract(bytes - ahead, ordering: .relaxed)
    }

    /// Files have grown into what was charged ahead.
    func wrote(_ bytes: Int) { self.add(0, ahead: -bytes) }

    /// Files were on the disk before: what it says is free is beside them.
    func found(_ bytes: Int) { self.used.wrappingAdd(bytes, ordering: .relaxed) }

    /// From now on this one makes room where a log lacks it.
    func makesRoom(_ maker: any RoomMaker) { self.maker.withLock { $0.maker = maker } }

    /// A log has no room for so many bytes: some is made for its next attempt, if anybody who gives way has some. New events have it made
    /// otherwise, and what gives way itself waits.
    ///
    /// - Parameter isRefused: by the disk, whatever it says that it has.
    func lacks(_ bytes: Int, for log: SpoolConfiguration, isRefused: Bool) {
        guard log.kind.isSideLog, !log.givesWay else { return }
        self.maker.withLock { $0.maker }?.makeRoom(for: .sideLog(log.kind, bytes: bytes, isRefused: isRefused))
    }

    /// A log of a delivery that gives way has grown: what it took is made again, before new events need it.
    func grew(_ log: SpoolConfiguration) {
        guard log.givesWay else { return }
        self.maker.withLock { $0.maker }?.makeRoom(for: .ahead)
    }

    /// Asks the file system again; others write on the disk too.
    package func refresh() {
        // A disk that can't tell its room is no reason to stop; writing will tell.
        guard let space = try? self.disk.space(self.directory) else { return }
        self.diskFree.store(space.free, ordering: .relaxed)
    }

    /// Makes the file that keeps part of the reserve, if there is ample room and it isn't there. Waits for the disk.
    func makeBallast() {
        guard self.roomBesideBallast > self.reserve * 2, let made = self.ballast.make() else { return }
        self.add(made)
    }

    /// The disk has no room for what must go on: cursors, dead letters, what is set aside.
    ///
    /// - Returns: whether there is more room now.
    func giveUpBallast() -> Bool {
        let freed = self.ballast.giveUp()
        guard freed != 0 else { return false }
        self.add(-freed)
        self.refresh()
        return true
    }

    /// Tries again with the reserve if there is no room.
    package func withReserve<Result>(_ body: () throws(ForebayError) -> Result) throws(ForebayError) -> Result {
        do throws(ForebayError) {
            return try body()
        } catch {
            guard error.code == .spoolFull, self.giveUpBallast() else { throw error }
        }
        return try body()
    }
}
