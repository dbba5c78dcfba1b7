import ForebayCore
/// A folder of a ``SimulatedDisk``: its entries as programs see them, and those that are durable.
///
/// Without a sync of the folder a power cut keeps the first few of its operations, in order, how many is anybody's guess, and each folder
/// for itself: that is what a journal does (ext4, xfs: all names of the file system in one order) and a little worse (btrfs: a log for each
/// inode), so what stands this stands on all of them. A name is never made durable by syncing its file: ext4 and xfs do that,
/// nobody promises it. A rename is whole or not at all, from one folder into another, too.
final class SimulatedFolder {
    enum Node {
        case file(SimulatedInode)
        case folder(SimulatedFolder)
    }

    struct Operation {
        let number: Int
        /// Names, and what they stand for then.
        let changes: [(name: String, node: Node?)]
        /// The other folder, of a rename between two.
        let partner: SimulatedFolder?
    }

    private(set) var entries: [String: Node] = [:]
    /// It has no name any more.
    var isRemoved = false
    private var durable: [String: Node] = [:]
    private var pending: [Operation] = []

    func change(_ operation: Operation) {
        for (name, node) in operation.changes { self.entries[name] = node }
        self.pending.append(operation)
    }

    func sync() {
        self.keep(through: self.pending.last?.number ?? 0)
    }

    /// Makes the operations up to one durable, and what they need of other folders.
    private func keep(through number: Int) {
        while let first = self.pending.first, first.number <= number {
            self.pending.removeFirst()
            for (name, node) in first.changes { self.durable[name] = node }
            first.partner?.keep(through: first.number)
        }
    }

    // MARK: A power cut

    /// Decides what is kept, in this folder and all below: afterwards, entries and durable ones are the same.
    func cut(_ chance: inout SplitMix) {
        var folders: [SimulatedFolder] = []
        self.collect(&folders)
        var kept = folders.map { folder in
            switch Int.random(in: 0..<4, using: &chance) {
            case 0: 0
            case 1: folder.pending.count
            default: Int.random(in: 0...folder.pending.count, using: &chance)
            }
        }
        // A rename between two folders happens in both or in none.
        var isSettled = false
        while !isSettled {
            isSettled = true
            for (place, folder) in folders.enumerated() {
                for (index, operation) in folder.pending.prefix(kept[place]).enumerated() {
                    guard let partner = operation.partner, let other = folders.firstIndex(where: { $0 === partner }),
                        let there = partner.pending.firstIndex(where: { $0.number == operation.number }), there >= kept[other]
                    else { continue }
                    kept[place] = index
                    isSettled = false
                    break
                }
            }
        }
        for (place, folder) in folders.enumerated() {
            for operation in folder.pending.prefix(kept[place]) {
                for (name, node) in operation.changes { folder.durable[name] = node }
            }
            folder.pending = []
            folder.entries = folder.durable
        }
    }

    /// All folders that may be reached, by a name that is durable or one that may become it.
    private func collect(_ folders: inout [SimulatedFolder]) {
        guard !folders.contains(where: { $0 === self }) else { return }
        folders.append(self)
        var below = self.entries
        below.merge(self.durable) { now, _ in now }
        for operation in self.pending {
            for case (let name, .folder(let folder)?) in operation.changes { below["\(name)/\(operation.number)"] = .folder(folder) }
        }
        for name in below.keys.sorted() {
            if case .folder(let folder) = below[name]! { folder.collect(&folders) }
        }
        for name in self.durable.keys.sorted() {
            if case .folder(let folder) = self.durable[name]! { folder.collect(&folders) }
        }
    }

    /// All files below, by path, in the order of their paths.
    func files(at path: String) -> [(path: String, inode: SimulatedInode)] {
        self.entries.keys.sorted().flatMap { name -> [(path: String, inode: SimulatedInode)] in
            switch self.entries[name]! {
            case .file(let inode): [("\(path)/\(name)", inode)]
            case .folder(let folder): folder.files(at: "\(path)/\(name)")
            }
        }
    }

    /// Puts another inode in a file's place, as durable as the old one. For images after a cut.
    func replace(_ replacement: (SimulatedInode) -> SimulatedInode) {
        for name in self.entries.keys.sorted() {
            switch self.entries[name]! {
            case .file(let inode):
                self.entries[name] = .file(replacement(inode))
                self.durable[name] = self.entries[name]
            case .folder(let folder):
                folder.isRemoved = false
                folder.replace(replacement)
            }
        }
    }
}
