import ForebayHTTP
import ForebayRuntime

/// Asks a node's admin listener.
struct AdminClient: ~Copyable {
    static let defaultURL = "http://127.0.0.1:8081"

    private var client: HTTPClient
    private let address: HTTPAddress

    init(_ arguments: ParsedArguments) throws {
        self.address = try HTTPAddress(url: arguments.value("--url") ?? Self.defaultURL)
        self.client = HTTPClient(self.address, userAgent: "forebay/\(ForebayVersion.text)")
        self.client.answerTimeout = 10_000
    }

    /// - Returns: the answer as it came, and as a value.
    mutating func get(_ target: String) throws -> (bytes: [UInt8], value: JSONValue) { try self.ask("GET", target) }

    /// Given up is given up: asking twice does no harm.
    mutating func delete(_ target: String) throws -> JSONValue {
        // It takes as long as removing the files does.
        self.client.answerTimeout = 300_000
        return try self.ask("DELETE", target).value
    }

    /// What is asked for stands in the body, as a form: a list of it may be long.
    mutating func send(_ method: String, _ target: String, form: [(name: String, value: String)]) throws -> JSONValue {
        self.client.answerTimeout = 300_000
        let body = form.map { "\($0.name)=\(Self.escaped($0.value))" }.joined(separator: "&")
        return try self.ask(method, target, Array(body.utf8)).value
    }

    private mutating func ask(
        _ method: String, _ target: String, _ form: [UInt8] = []
    ) throws -> (bytes: [UInt8], value: JSONValue) {
        var headers = [(name: "Accept", value: "application/json")]
        if !form.isEmpty { headers.append(("Content-Type", "application/x-www-form-urlencoded")) }
        let response = try self.client.send(HTTPClientRequest(method: method, target: target, headers: headers, body: form))
        let value = JSONValue(response.body)
        guard response.status == 200 else {
            let code: ExitCode = response.status == 503 ? .unavailable : .failure
            throw CommandFailure(code, "\(self.address)\(target): \(Problem(status: response.status, value).title)")
        }
        guard let value else {
            throw CommandFailure(.failure, "\(self.address)\(target): the answer is not JSON; is this the admin listener?")
        }
        return (response.body, value)
    }

    /// As it may stand in a query.
    static func escaped(_ text: String) -> String {
        text.utf8.map { byte in
            switch Unicode.Scalar(byte) {
            case "a"..."z", "A"..."Z", "0"..."9", "-", ".", "_", "~": String(Unicode.Scalar(byte))
            default: "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
            }
        }.joined()
    }
}
