import Testing

@testable import ForebayIngest

/// Arrays, lines and envelopes as Python reads them, over its own json module: which bodies are taken, and the bytes of every event.
@Suite("Bodies against Python", .enabled(if: Python.isPresent, "needs python3"))
struct BodyOracleTests {
    static let types = ["application/json", "application/x-ndjson", Decoding.envelope, Decoding.envelopeLines]

    @Test("agree on 12,000 made and spoilt bodies")
    func agree() throws {
        var generator = JSONGenerator(seed: 6)
        var cases: [[UInt8]] = []
        for round in 0..<1_500 {
            for kind in 0..<4 {
                let body = Array(Self.body(kind, &generator).utf8)
                cases.append([UInt8(kind)] + body)
                cases.append([UInt8(kind)] + (round % 3 == 0 ? generator.spoil(body) : Array(Self.body(kind, &generator).utf8)))
            }
        }
        let verdicts = try Python.judge(Self.script, cases: cases)
        #expect(verdicts.count == cases.count)
        let taken = verdicts.count { $0 != "no" }
        #expect(taken > cases.count / 4 && taken < cases.count * 9 / 10)
        let decoding = Decoding()
        for (bytes, verdict) in zip(cases, verdicts) {
            let ours = Self.told(decoding.decode(Array(bytes.dropFirst()), headers: [("Content-Type", Self.types[Int(bytes[0])])]))
            if ours != verdict {
                Issue.record(
                    "Python: \(verdict)\nours: \(ours) \(decoding.lastDetail)\nbody \(bytes[0]): \(String(decoding: bytes.dropFirst(), as: UTF8.self))"
                )
            }
        }
    }

    static func body(_ kind: Int, _ generator: inout JSONGenerator) -> String {
        let count = Int.random(in: 0...4, using: &generator.random)
        let space = ["", " ", "\n", "\r\n "].randomElement(using: &generator.random)!
        switch kind {
        case 0:
            if Int.random(in: 0..<4, using: &generator.random) == 0 { return generator.text() }
            return space + "[" + (0..<count).map { _ in generator.text() }.joined(separator: ",") + space + "]" + space
        case 1: return self.lines(count) { generator.line(generator.text()) } + space
        case 2:
            if Int.random(in: 0..<4, using: &generator.random) == 0 { return space + self.envelope(&generator) + space }
            return space + "[" + (0..<count).map { _ in space + self.envelope(&generator) + space }.joined(separator: ",") + "]" + space
        default: return self.lines(count) { generator.line(self.envelope(&generator)) } + space
        }
    }

    static func lines(_ count: Int, _ line: () -> String) -> String {
        (0..<count).map { $0 % 3 == 2 ? line() + "\r\n\n" : line() + "\n" }.joined()
    }

    static func envelope(_ generator: inout JSONGenerator) -> String {
        let strings = ["\"a\"", "\"é\\u00e9\"", "\"\\ud83c\\udf89\"", "null", "\"\"", "\"\\ud800\"", "7", "\"a\\nb\""]
        let choices: [(String, [String])] = [
            ("id", ["\"a\"", "\"é-\\\"1\"", "null", "\"\"", "\"\\u0001\"", "\"\\u0085\"", "3"]), ("key", strings),
            ("key_base64", ["\"AP8=\"", "\"A\"", "null"]),
            ("value", [generator.text(), generator.text(), "null"]), ("value_base64", ["\"AAEC\"", "\"\\/\\/8=\"", "null", "\"????\""]),
            (
                "headers",
                [
                    "{}", "{\"a\":\"b\",\"c\" : null}", "{\"a\":\(strings.randomElement(using: &generator.random)!)}", "null", "[]",
                    "{\"forebay-id\":\"\"}",
                ]
            ),
            ("timestamp", ["0", "1700000000000", "-1", "1.0", "null", "12345678901234567890"]),
            ("partition", ["0", "2147483647", "2147483648", "null", "-0"]),
            ("unknown", ["1"]), ("topic", ["\"t\""]),
        ]
        var members: [String] = []
        for (name, values) in choices {
            let likelihood = ["unknown", "topic"].contains(name) ? 25 : name.hasSuffix("64") ? 6 : 2
            guard Int.random(in: 0..<likelihood, using: &generator.random) == 0 else { continue }
            // The first choices are the good ones: most bodies are to be taken.
            let value =
                Bool.random(using: &generator.random) || Bool.random(using: &generator.random)
                ? values[0] : values.randomElement(using: &generator.random)!
            members.append("\"\(name)\":\(value)")
        }
        if Int.random(in: 0..<30, using: &generator.random) == 0, let one = members.first { members.append(one) }
        return "{" + members.shuffled(using: &generator.random).joined(separator: " , ") + "}"
    }

    static func told(_ decoded: Decoded) -> String {
        guard case .events(let events) = decoded else { return "no" }
        func hex(_ bytes: [UInt8]?) -> String {
            bytes.map { "h" + $0.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() } ?? "none"
        }
        return "yes"
            + events.map { event in
                let headers = event.headers.map { hex(Array($0.name.utf8)) + "=" + hex($0.value) }.joined(separator: ",")
                return
                    " [\(hex(event.key)) \(hex(event.value)) \(hex(event.id)) \(event.timestamp) \(event.partition.map(String.init) ?? "none") \(headers)]"
            }.joined()
    }

    static let script = """
        import base64, re, unicodedata
        NOW = 1700000000000
        SPACE = ' \\t\\n\\r'
        decoder = json.JSONDecoder(parse_constant=refuse, parse_int=str, parse_float=str)
        def skip(s, at):
            while at < len(s) and s[at] in SPACE: at += 1
            return at
        def value(s, at):
            try: v, end = decoder.raw_decode(s, at)
            except StopIteration: raise ValueError()
            if depth(s[at:end].encode()) > 64: raise ValueError()
            return v, s[at:end], end
        def expect(s, at, c):
            if s[at:at + 1] != c: raise ValueError()
            return at + 1
        def items(s, at, close, item):
            out = []
            at = skip(s, at + 1)
            if s[at:at + 1] == close: return out, at + 1
            while True:
                v, at = item(s, skip(s, at))
                out.append(v)
                at = skip(s, at)
                if s[at:at + 1] == close: return out, at + 1
                at = expect(s, at, ',')
        def member(s, at):
            if s[at:at + 1] != '"': raise ValueError()
            name, _, at = value(s, at)
            at = expect(s, skip(s, at), ':')
            v, raw, at = value(s, skip(s, at))
            return (name, v, raw), at
        class Number(str): pass
        def text(v):
            if not isinstance(v, str) or isinstance(v, Number): raise ValueError()
            return v.encode('utf-8')
        def b64(v):
            data = base64.b64decode(text(v), validate=True)
            if base64.b64encode(data) != text(v): raise ValueError()
            return data
        def integer(raw, top):
            if not re.fullmatch('[0-9]+', raw, re.ASCII) or int(raw) > top: raise ValueError()
            return int(raw)
        def envelope(s, at):
            if s[at:at + 1] != '{': raise ValueError()
            members, end = items(s, at, '}', member)
            names = [m[0] for m in members]
            if len(set(names)) != len(names): raise ValueError()
            known = {'id', 'key', 'key_base64', 'value', 'value_base64', 'headers', 'timestamp', 'partition'}
            given = {m[0] for m in members if m[1] is not None}
            if set(names) - known or {'key', 'key_base64'} <= given or {'value', 'value_base64'} <= given: raise ValueError()
            e = {'key': None, 'value': None, 'id': b'', 'timestamp': NOW, 'partition': None, 'headers': []}
            for name, v, raw in members:
                if v is None: continue
                if raw[0] in '-0123456789': v = Number(v)
                if name == 'value': e['value'] = raw.encode()
                elif name == 'value_base64': e['value'] = b64(v)
                elif name == 'key': e['key'] = text(v)
                elif name == 'key_base64': e['key'] = b64(v)
                elif name == 'id':
                    e['id'] = text(v)
                    if not 1 <= len(e['id']) <= 255 or any(unicodedata.category(c) == 'Cc' for c in v): raise ValueError()
                elif name == 'timestamp': e['timestamp'] = integer(raw, 2**63 - 1)
                elif name == 'partition': e['partition'] = integer(raw, 2**31 - 1)
                elif name == 'headers':
                    if raw[0] != '{': raise ValueError()
                    for n, hv, hraw in items(raw, 0, '}', member)[0]:
                        if hraw[0] in '-0123456789': raise ValueError()
                        if not n or n.lower().startswith('forebay-'): raise ValueError()
                        e['headers'].append((text(n), None if hv is None else text(hv)))
            return e, end
        def plain(b): return {'key': None, 'value': b, 'id': b'', 'timestamp': NOW, 'partition': None, 'headers': []}
        def element(s, at):
            v, raw, at = value(s, at)
            return plain(raw.encode()), at
        def lines(data):
            for line in data.split(b'\\n'):
                yield line
        def decode(kind, data):
            if not data: raise ValueError()
            if kind in (1, 3):
                out = []
                parts = data.split(b'\\n')
                for n, line in enumerate(parts):
                    if n < len(parts) - 1 and line.endswith(b'\\r'): line = line[:-1]
                    if not line.strip(b' \\t\\r\\n'): continue
                    s = line.decode('utf-8')
                    at = skip(s, 0)
                    if kind == 1:
                        _, _, end = value(s, at)
                        out.append(plain(line))
                    else:
                        e, end = envelope(s, at)
                        out.append(e)
                    if skip(s, end) != len(s): raise ValueError()
                if not out: raise ValueError()
                return out
            s = data.decode('utf-8')
            at = skip(s, 0)
            if s[at:at + 1] == '[':
                out, end = items(s, at, ']', element if kind == 0 else envelope)
            elif kind == 0:
                _, _, end = value(s, at)
                out = [plain(data)]
            else:
                e, end = envelope(s, at)
                out = [e]
            if skip(s, end) != len(s): raise ValueError()
            return out
        def h(b): return 'none' if b is None else 'h' + b.hex()
        for case in cases():
            try:
                events = decode(case[0], case[1:])
                print('yes' + ''.join(' [%s %s %s %d %s %s]' % (h(e['key']), h(e['value']), h(e['id']), e['timestamp'],
                    'none' if e['partition'] is None else e['partition'], ','.join(h(n) + '=' + h(v) for n, v in e['headers'])) for e in events))
            except (ValueError, RecursionError):
                print('no')
        """
}

extension JSONGenerator {
    /// A text that stands on one line.
    func line(_ text: String) -> String {
        String(text.unicodeScalars.filter { $0 != "\n" }.map(Character.init))
    }
}
