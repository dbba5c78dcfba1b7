/// What this node is called, and where it keeps things.
package struct NodeConfiguration: Sendable, Equatable {
    package var name: String
    /// As it was written: relative to the working directory, if relative.
    package var dataDirectory: String
}

extension NodeConfiguration: ConfigurationPart {
    static let entries: [ConfigurationEntry] = [
        .section("node", "This node."),
        .key(
            "node.name", .text, .computed("the host name") { host, _ in host }, example: "edge-1",
            "The node's name in logs, metrics and status."),
        .key(
            "node.data_dir", .path, .standard("./forebay-data"),
            "Folder of the spool, its cursors and the dead letters. It is made if missing, one process at a time may own it, and nobody else may "
                + "be allowed to write in it."),
        .notYet("modes", "Which stages this process runs."),
    ]

    init(_ values: ConfigurationDecoder) {
        self.init(name: values.text("node.name"), dataDirectory: values.text("node.data_dir"))
    }

    /// A folder that can't be meant.
    static func check(_ checks: inout ConfigurationChecks) {
        guard let setting = checks.values.setting("node", "data_dir"), let path = setting.texts.first else { return }
        if path.split(separator: "/").allSatisfy({ $0 == "." }), path.hasPrefix("/") {
            checks.report(setting, "\(path) is the root of the file system; give a folder of its own, like /var/lib/forebay")
        } else if path == "~" || path.hasPrefix("~/") {
            checks.report(setting, "nobody turns ~ into a home folder here; write the path out")
        }
    }
}
