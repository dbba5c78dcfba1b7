import ForebayCore
import Glibc

/// The side logs of one kind in the folder of a node that is down: one for each delivery in `deadletters/`, or in `setaside/`.
struct RouteFolders {
    /// The node's data_dir.
    let folder: String
    let kind: String

    /// - Throws: if this is no folder of a node, so that "there is none" is never said of the wrong one.
    init(folder: String, kind: String) throws(CommandFailure) {
        self.folder = folder
        self.kind = kind
        guard let listing = opendir(folder) else {
            throw CommandFailure(.failure, "cannot read \(folder): \(String(cString: strerror(errno)))")
        }
        closedir(listing)
        guard !Self.isNode(folder) else { return }
        let near = ["\(folder)/forebay-data", "\(folder)/data", Self.parent(folder)].first(where: Self.isNode)
        throw CommandFailure(
            .failure, "\(folder) is not the data_dir of a node: there is no spool in it" + (near.map { "; did you mean \($0)?" } ?? ""))
    }

    private static func parent(_ folder: String) -> String {
        guard let path = realpath("\(folder)/..", nil) else { return "\(folder)/.." }
        defer { free(path) }
        return String(cString: path)
    }

    /// Side logs alone, too: those may have been moved away from a full disk.
    private static func isNode(_ folder: String) -> Bool {
        ["spool", "setaside", "deadletters"].contains { access("\(folder)/\($0)", F_OK) == 0 }
    }

    func directory(_ name: DeliveryName) -> String { "\(self.folder)/\(self.kind)/\(name.folder)" }

    /// The deliveries that have a log, by name; or the one asked for.
    ///
    /// - Parameters:
    ///   - wanted: `orders`, `orders/mirror`.
    ///   - what: `dead letters`, for the message when there are none of it.
    func deliveries(_ wanted: String?, what: String) throws(CommandFailure) -> [DeliveryName] {
        let names = try self.names().map { DeliveryName(folder: $0) }.sorted()
        guard let wanted else { return names }
        let name = DeliveryName(name: wanted)
        if names.contains(name) { return [name] }
        let known =
            names.isEmpty ? "there are no \(what) at all" : "there are \(what) of " + names.map(\.description).joined(separator: ", ")
        throw CommandFailure(.failure, "no \(what) of a route \(wanted); \(known)")
    }

    private func names() throws(CommandFailure) -> [String] {
        let path = "\(self.folder)/\(self.kind)"
        do throws(SystemCallFailure) {
            guard let names = try FolderEntries.names(of: path) else {
                if access(self.folder, F_OK) == 0 { return [] }
                throw SystemCallFailure(code: ENOENT)
            }
            // A route that never had one has a folder without a log, or none.
            return names.filter { !$0.hasPrefix(".") && access("\(path)/\($0)/segments", F_OK) == 0 }
        } catch {
            throw CommandFailure(.failure, "cannot read \(path): \(error)")
        }
    }
}
