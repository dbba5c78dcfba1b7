/// Locks on files, as a process has them: those of one that ended are nobody's, whatever is left of it.
struct SimulatedLocks {
    /// Of processes.
    private(set) var epoch = 0
    /// Who has a file's lock: an open file, each by its number.
    private var owners: [Int: Int] = [:]

    /// - Returns: false: another open file has it.
    mutating func take(_ inode: Int, for file: Int) -> Bool {
        if let owner = self.owners[inode], owner != file { return false }
        self.owners[inode] = file
        return true
    }

    mutating func release(_ inode: Int, of file: Int) {
        if self.owners[inode] == file { self.owners[inode] = nil }
    }

    mutating func processEnded() {
        self.epoch += 1
        self.owners = [:]
    }
}
