extension ParsedArguments {
    /// - Returns: none if the option is not given.
    func number(_ option: String) throws(CommandFailure) -> UInt64? {
        guard let text = self.value(option) else { return nil }
        guard let number = UInt64(text) else { throw CommandFailure(.usage, "\(option) takes a number, not \(text)") }
        return number
    }

    /// How many to show. None would say that there are none.
    func limit(upTo bound: UInt64 = .max) throws(CommandFailure) -> UInt64? {
        guard let number = try self.number("--limit") else { return nil }
        guard (1...bound).contains(number) else {
            throw CommandFailure(.usage, "--limit takes a number from 1" + (bound == .max ? "" : " to \(bound)") + ", not \(number)")
        }
        return number
    }

    /// `forebay setaside ls`, with the URL that was given for this one, or the folder.
    ///
    /// - Parameter takesConfiguration: that command has --config.
    func command(_ words: String, takesConfiguration: Bool = true) -> String {
        let names = ["--url", "--dir"] + (takesConfiguration ? ["--config"] : [])
        return "'forebay \(words)" + names.flatMap { name in self.values(name).map { " \(name) \($0)" } }.joined() + "'"
    }

    /// The folder of a node that is down, given instead of the URL of one that runs.
    func folder(_ command: [String]) throws(UsageError) -> String? {
        guard let folder = self.value("--dir") else { return nil }
        if self.has("--url") { throw UsageError(message: "give --url or --dir, not both", command: command) }
        return folder
    }
}

extension CommandSpecification.Option {
    /// Of commands that ask a running node, or look into the folder of one that is down.
    static let nodeOrFolder = [
        Self(name: "--url", value: "URL", help: "The node's admin listener; default \(AdminClient.defaultURL)"),
        Self(name: "--dir", value: "DIR", help: "The data_dir of a node that is down, instead of --url"),
        Self(name: "--json", value: nil, help: "As JSON"),
    ]
}
