import ForebaySpool
import Glibc

/// Whose node a data folder is. What root writes there belongs to root, and a node that runs as another user can't open it at its next
/// start.
enum FolderOwner {
    /// Before anything is written.
    ///
    /// - Parameters:
    ///   - folder: the data_dir.
    ///   - user: who would write.
    /// - Throws: as root, in a folder of another user's node.
    static func check(_ folder: String, user: uid_t = geteuid(), arguments: [String] = CommandLine.arguments) throws(CommandFailure) {
        guard user == 0, let owner = Self.owner(of: folder), owner.user != 0 else { return }
        let command = arguments.map(Self.quoted).joined(separator: " ")
        let name = UserName.of(owner.user)
        let instead = name.map { "runuser -u \($0) -- " } ?? "setpriv --reuid=\(owner.user) --regid=\(owner.group) --clear-groups "
        throw CommandFailure(
            .noPermission,
            "\(folder) is of the user \(name ?? "\(owner.user)"), whose node can't open what root writes there; use: \(instead)\(command)")
    }

    /// Of the logs, which the node makes itself; the folder around them may be a package's or a mount.
    private static func owner(of folder: String) -> (user: uid_t, group: gid_t)? {
        for path in ["spool", "setaside", "deadletters"].map({ "\(folder)/\($0)" }) + [folder] {
            var status = stat()
            if stat(path, &status) == 0 { return (status.st_uid, status.st_gid) }
        }
        return nil
    }

    /// For a shell.
    private static func quoted(_ word: String) -> String {
        let isPlain =
            !word.isEmpty
            && word.utf8.allSatisfy { byte in
                (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20) || (UInt8(ascii: "-")...UInt8(ascii: ":")).contains(byte)
                    || [UInt8(ascii: "_"), UInt8(ascii: "="), UInt8(ascii: "@"), UInt8(ascii: ",")].contains(byte)
            }
        return isPlain ? word : "'" + word.replacing("'", with: "'\\''") + "'"
    }
}
