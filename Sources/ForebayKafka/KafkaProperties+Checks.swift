import Glibc

/// What librdkafka takes without a word, or refuses with words that lead elsewhere.
extension KafkaProperties {
    private static let protocols = ["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"]
    private static let mechanisms = ["GSSAPI", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"]

    private static let files = [
        "ssl.ca.location", "ssl.certificate.location", "ssl.key.location", "ssl.crl.location", "ssl.keystore.location",
    ]

    /// One property under two of its names: librdkafka takes the one that comes last in the alphabet, and nobody meant that.
    func aliasProblems() -> [Problem] {
        let table = KafkaPropertyTable.known
        let given = Dictionary(grouping: self.inOrder) { table.original(of: $0.name) ?? $0.name }.filter { _, places in
            places.contains { $0.name != places[0].name }
        }
        return given.sorted { $0.key < $1.key }.flatMap { _, places in
            places.map { section, name, _ in
                let others = places.filter { $0.name != name }.map { "\($0.name) under \($0.section.rawValue)" }
                return Problem(
                    section: section, name: name,
                    message: "is the same property as \(others.joined(separator: " and ")); give it under one of its names")
            }
        }
    }

    /// Files, where they are used: of one that is not there librdkafka says what OpenSSL made of that, and not that it is not there.
    func fileProblems() -> [Problem] {
        guard self["security.protocol"]?.lowercased().hasSuffix("ssl") ?? false else { return [] }
        return self.inOrder.compactMap { section, name, path in
            // `probe`: where OpenSSL's may be.
            guard Self.files.contains(name), !path.isEmpty, path != "probe", access(path, R_OK) != 0 else { return nil }
            return Problem(section: section, name: name, message: "cannot read \(path): \(String(cString: strerror(errno)))")
        }
    }

    /// Addresses of brokers that can be none: librdkafka connects to something else, or to nothing, for ever.
    func addressProblems() -> [Problem] {
        self.inOrder.filter { ["bootstrap.servers", "metadata.broker.list"].contains($0.name) }.compactMap { section, name, value in
            let addresses = value.split(separator: ",", omittingEmptySubsequences: false).map { $0.trimmed }
            guard addresses.contains(where: { !$0.isEmpty }) else {
                return Problem(section: section, name: name, message: "names no broker; give at least one, host:port")
            }
            let wrong = addresses.lazy.filter { !$0.isEmpty }.compactMap { address in Self.fault(of: address).map { (address, $0) } }
            return wrong.first.map { Problem(section: section, name: name, message: "\"\($0.0)\" is no address of a broker: \($0.1)") }
        }
    }

    /// `host`, `host:port`, `[::1]:port`, each perhaps behind `SSL://`.
    private static func fault(of address: String) -> String? {
        var rest = address[...]
        if let scheme = address.firstRange(of: "://") {
            guard Self.protocols.contains(address[..<scheme.lowerBound].lowercased()) else {
                return "it is a URL; give host:port"
            }
            rest = address[scheme.upperBound...]
        }
        guard !rest.contains("/"), !rest.contains(" ") else { return "give host:port, without a path" }
        let host: Substring, port: Substring?
        if rest.hasPrefix("["), let end = rest.firstIndex(of: "]") {
            host = rest[rest.index(after: rest.startIndex)..<end]
            let behind = rest[rest.index(after: end)...]
            guard behind.isEmpty || behind.hasPrefix(":") else { return "give [address]:port" }
            port = behind.isEmpty ? nil : behind.dropFirst()
        } else {
            let parts = rest.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            (host, port) = (parts[0], parts.count > 1 ? parts[1] : nil)
        }
        guard !host.isEmpty else { return "the host is missing" }
        guard let port else { return nil }
        guard port.allSatisfy({ ("0"..."9").contains($0) }), let number = Int(port), (1...65_535).contains(number) else {
            return "the port must be a number from 1 to 65535"
        }
        return nil
    }

    /// Without a mechanism librdkafka means Kerberos, whatever else is given, and tells of its keytab.
    func saslProblems() -> [Problem] {
        let names = ["sasl.mechanisms", "sasl.mechanism"]
        let choices = Self.mechanisms.joined(separator: ", ")
        guard let (section, name, value) = self.inOrder.first(where: { names.contains($0.name) }) else {
            let isSASL = self["security.protocol"]?.lowercased().hasPrefix("sasl") ?? false
            let given = ["sasl.username", "sasl.password"].first { self[$0] != nil }
            guard isSASL, let given else { return [] }
            return [
                Problem(
                    section: nil, name: given,
                    message:
                        "with security.protocol \(self["security.protocol"] ?? "") and without sasl.mechanisms it is not used: librdkafka means"
                        + " Kerberos then; set sasl.mechanisms, one of \(choices)")
            ]
        }
        guard !Self.mechanisms.contains(value.uppercased()) else { return [] }
        return [Problem(section: section, name: name, message: "\"\(value)\" is no mechanism; one of \(choices)")]
    }
}

extension Substring {
    fileprivate var trimmed: String {
        String(self.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
    }
}
