/// The page docs/reference/configuration.md, made from the same table as the loader.
package enum ConfigurationReference {
    package static var text: String {
        let sections = ConfigurationTree.root.children.filter { if case .notYet = $0.tree.kind { false } else { true } }
        return Self.introduction + sections.map { Self.part($0.name) }.joined() + Self.notYet
    }

    private static let introduction = """
        <!-- Made by `dev/docs` from Sources/ForebayConfig/Sections. Edit there. -->
        # Configuration

        `forebay config init` writes a commented file to start from; `forebay validate --config FILE` checks one;
        `forebay config print --config FILE --resolved --show-origin` shows what is in force and where each value came from.

        A configuration is YAML (JSON is accepted, being YAML). Whatever you name is a map keyed by that name; lists hold scalars only.
        Unknown keys, wrong types, duplicates and names that lead nowhere are errors, each with `file:line:column`, what was found and
        the nearest known key. All of them are reported at once, and the process does not start half-configured (exit code 78). What
        this version does not do yet is refused by name, never ignored. Anchors, aliases, merge keys, tags and a second document in a
        file are refused.

        ## Where values come from

        From the strongest to the weakest:

        1. `--set path=value`, as often as needed; a later one wins. A list is `a,b` or `[a, b]`. A name with dots in it may stand in
           quotes: `--set 'topics."payments.eu".key=$.id'`. Secrets are refused here, because everyone on the machine can read a
           command line.
        2. The environment: `FOREBAY_` and the path in upper snake case, so `FOREBAY_LIMITS_BODY=16MiB` is `limits.body`, and
           `FOREBAY_CLUSTERS_MAIN_PROPERTIES_BOOTSTRAP_SERVERS` is `bootstrap.servers` of the cluster `main`. A variable can't say
           where dots and dashes were: your own names are looked for in the files first, and a name that is in none is taken in lower
           case; in a property's name each `_` is a dot. A variable that means no key is an error, but those that Kubernetes makes for
           a service called `forebay` (`FOREBAY_SERVICE_HOST`, `FOREBAY_PORT_…`) and `FOREBAY_VERSION` are left alone.
        3. A later `--config`, then an earlier one. Maps are joined key by key; lists and scalars are replaced.
        4. The default.

        ## Inside values

        In files, after parsing, so that what they bring can't change the document's structure:

        | written | gives |
        |---|---|
        | `${VAR}` | the environment variable; an error where it is not set |
        | `${VAR:-default}` | the default where it is not set or empty |
        | `${file:path}` | the file's text without the line break at its end |
        | `$${` | a literal `${` |

        Sizes take `KiB MiB GiB TiB` or are plain bytes; durations take `ms s m h d`. Paths are relative to the working directory. A
        secret property `x` of librdkafka (`sasl.password`, `ssl.key.password`, `ssl.keystore.password`, `ssl.key.pem` …) may be given
        as `x_file`, the path of a file that holds it. Secrets are never logged, and printed as `***`.


        """

    private static func part(_ name: String) -> String {
        var (words, rows) = ("", "")
        for entry in ForebayConfiguration.entries where entry.pattern[0] == name {
            switch entry {
            case .section(let section):
                if section.pattern.count == 1 {
                    words = section.documentation + "\n\n"
                } else if section.pattern.last?.hasPrefix("<") == false, !Self.isOnlyNotYet(section.pattern) {
                    rows += "| `\(Self.path(section.pattern))` | map | | \(Self.cell(section.documentation)) |\n"
                }
            case .key(let key):
                let type = Self.type(key.type)
                rows += "| `\(Self.path(key.pattern))` | \(type) | \(Self.presence(key)) | \(Self.cell(key.documentation)) |\n"
            case .notYet: continue
            }
        }
        return "## \(name)\n\n\(words)| key | type | default | |\n|---|---|---|---|\n\(rows)\n"
    }

    private static var notYet: String {
        var text =
            "## Not supported yet\n\nRefused by name, so that nothing accepted today means something else tomorrow.\n\n"
            + "| key | what it will be |\n|---|---|\n"
        for entry in ForebayConfiguration.entries {
            switch entry {
            case .section: continue
            case .notYet(let notYet): text += "| `\(Self.path(notYet.pattern))` | \(Self.cell(notYet.documentation)) |\n"
            case .key(let key):
                guard case .choice(_, let words) = key.type else { continue }
                for word in words { text += "| `\(Self.path(key.pattern)): \(word)` | |\n" }
            }
        }
        return text
    }

    private static func isOnlyNotYet(_ pattern: [String]) -> Bool {
        !ForebayConfiguration.entries.contains { entry in
            guard case .key = entry else { return false }
            return entry.pattern.starts(with: pattern)
        }
    }

    private static func path(_ pattern: [String]) -> String {
        pattern.joined(separator: ".")
    }

    private static func type(_ type: ConfigurationType) -> String {
        switch type {
        case .integer: "number"
        case .size: "size"
        case .duration: "duration"
        case .text: "text"
        case .path: "path"
        case .choice(let words, _): words.map { "`\($0)`" }.joined(separator: ", ")
        case .address: "address"
        case .reference(let section): "name from `\(section)`"
        case .topic: "topic"
        case .keyPath: "path in JSON"
        case .topicPatterns, .hostNames, .routeNames: "list"
        case .property: "property"
        }
    }

    private static func presence(_ key: ConfigurationKey) -> String {
        switch key.presence {
        case .required: "**required**"
        case .optional(let meaning), .computed(let meaning, _): meaning
        case .standard(let text): "`\(text)`"
        }
    }

    private static func cell(_ text: String) -> String {
        text.split(separator: "|", omittingEmptySubsequences: false).joined(separator: "\\|")
    }
}
