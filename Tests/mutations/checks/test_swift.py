"""Tokens, statements and what the operators make of them."""

import sys
import textwrap
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mutator import operators, sites, swift  # noqa: E402


def texts(text):
    return [token.text for token in swift.tokenize(text)]


def body(text, head="func f()"):
    return f"struct S {{\n    {head} {{\n{textwrap.indent(textwrap.dedent(text).strip(), ' ' * 8)}\n    }}\n}}\n"


def statements(text):
    source = swift.read(body(text))
    return [(statement.kind, source.between(statement.first, statement.last)) for statement in source.blocks[0].statements]


def mutants(text, *names, head="func f()"):
    """What the line or lines of a body become, by the operators named."""
    whole = body(text, head)
    found = []
    for change in operators.changes(swift.read(whole)):
        if change.operator in names:
            changed = whole[: change.start] + change.text + whole[change.end :]
            lines = changed.split("\n")[2:-3]
            found.append("\n".join(line.strip() for line in lines))
    return found


class Tokens(unittest.TestCase):
    def test_comments_hold_no_code(self):
        self.assertEqual(texts("a // b < c\n/* d /* e */ < f */ g"), ["a", "g"])
        self.assertEqual(texts("a/* b */< c"), ["a", "<", "c"])

    def test_a_string_is_one_token_with_all_that_it_interpolates(self):
        for text in (
            r'"a < b"', r'"a \" < b"', r'"\(a < b)"', r'"\(f("x)", y: [1, 2]))"', r'#"a " \(b) < c"#', r'##"a "# \##(b < "c") d"##',
            '"""\n  a "quoted" < b\n  \\(c < d)\n  """', '""', r'"\\"',
        ):
            self.assertEqual(texts(f"x = {text} + y"), ["x", "=", text, "+", "y"])

    def test_a_regular_expression_is_one_token(self):
        for text in (r"/a < (b\/]/", r"/[(]x/", "#/a/b]/#", "##/a/#b/##"):
            self.assertEqual(texts(f"x = {text} + y"), ["x", "=", text, "+", "y"])
            self.assertEqual(texts(f"f({text}, y)"), ["f", "(", text, ",", "y", ")"])
        self.assertEqual(texts("a / b / (c)"), ["a", "/", "b", "/", "(", "c", ")"])

    def test_a_string_without_end_is_refused(self):
        for text in ('"abc\n', '"""\nabc', r'"\(abc'):
            with self.assertRaises(swift.Unreadable):
                swift.tokenize(text)

    def test_brackets_that_do_not_match_are_refused(self):
        for text in ("f(", "f)", "f(]", "{ ( }"):
            with self.assertRaises(swift.Unreadable):
                swift.read(text)

    def test_operators_are_taken_whole(self):
        self.assertEqual(texts("a <= b..<c"), ["a", "<=", "b", "..<", "c"])
        self.assertEqual(texts("a!.b?.c"), ["a", "!", ".", "b", "?", ".", "c"])
        self.assertEqual(texts("a &+= 0x1_F"), ["a", "&+=", "0x1_F"])
        self.assertEqual(texts("1.5e-3 + x.0"), ["1.5e-3", "+", "x", ".", "0"])

    def test_only_what_has_spaces_on_both_sides_is_binary(self):
        binary = [token.text for token in swift.tokenize("a < b, Array<Int>, -c, d!, e -> f, g - h") if token.is_binary]
        self.assertEqual(binary, ["<", "-"])

    def test_lines_and_columns(self):
        token = swift.tokenize("a\n  /* x\n */ b")[1]
        self.assertEqual((token.line, token.column, token.starts_line), (3, 5, True))


class Statements(unittest.TestCase):
    def test_kinds(self):
        found = statements(
            """
            let a = b.map { $0 }
            self.a = c
            self.n += 1
            self.go()
            try await self.go(at: 1)
            _ = try? self.go()
            self.list.forEach { $0.go() }
            if a { b() } else { c() }
            guard let a else { return }
            loop: while true { break loop }
            #if DEBUG
            a()
            #endif
            return a
            """
        )
        self.assertEqual(
            [kind for kind, _ in found],
            ["declaration", "assignment", "assignment", "call", "call", "call", "call", "control", "control", "control",
             "declaration", "call", "declaration", "jump"])

    def test_a_statement_goes_on_over_lines(self):
        found = statements(
            """
            self.total =
                a
                + b
            self.list
                .filter { $0 > 1 }
                .forEach { $0.go() }
            guard a,
                b
            else {
                return
            }
            self.go(
                a,
                b)
            self.end()
            """
        )
        self.assertEqual([kind for kind, _ in found], ["assignment", "call", "control", "call", "call"])

    def test_several_on_a_line(self):
        self.assertEqual(statements("a(); b = 1; c()"), [("call", "a()"), ("assignment", "b = 1"), ("call", "c()")])

    def test_cases_of_a_switch(self):
        source = swift.read(body("switch a {\ncase .b, .c: d()\ncase .e where f:\n    g()\n    h()\ndefault: break\n}"))
        kinds = [statement.kind for statement in source.blocks[1].statements]
        self.assertEqual(kinds, ["case", "call", "case", "call", "call", "case", "jump"])

    def test_closures_with_parameters(self):
        source = swift.read(body("a.b { [weak self] c, d in\n    e(c)\n    f(d)\n}"))
        self.assertEqual([source.between(one.first, one.last) for one in source.blocks[1].statements], ["e(c)", "f(d)"])
        source = swift.read(body("for a in b { c() }"))
        self.assertEqual([source.between(one.first, one.last) for one in source.blocks[1].statements], ["c()"])

    def test_types_hold_no_statements(self):
        source = swift.read("enum E {\n    case a\n    static let b = 1\n    struct S: Equatable {\n        var c: Int\n    }\n}\n")
        self.assertEqual(source.blocks, [])

    def test_a_type_inside_a_function(self):
        source = swift.read(body("struct Found {\n    let a: Int\n    func g() { h() }\n}\nb()"))
        self.assertEqual([len(block.statements) for block in source.blocks], [2, 1])

    def test_accessors_are_no_calls(self):
        source = swift.read("struct S {\n    var a: Bool {\n        get { self.b == 1 }\n        set(value) { self.b = 2 }\n    }\n}")
        dropped = [change.operator for change in operators.changes(source) if change.operator.startswith("drop")]
        self.assertEqual(dropped, ["drop-assignment"])


class Operators(unittest.TestCase):
    def test_comparisons(self):
        self.assertEqual(mutants("x = a < b", "compare"), ["x = a <= b"])
        self.assertEqual(mutants("x = a == b", "compare"), ["x = a != b"])
        self.assertEqual(mutants("x = a == b", "order"), ["x = a >= b"])
        self.assertEqual(mutants("f(a..<b, 0..<c.d)", "compare"), ["f(a...b, 0..<c.d)", "f(a..<b, 0...c.d)"])
        self.assertEqual(mutants("x = a[...]\ny = b[1...]", "compare"), [])
        self.assertEqual(mutants("let x: Array<Int> = f<Int>(a)", "compare"), [])

    def test_a_definition_of_an_operator_is_left_alone(self):
        source = swift.read("struct S {\n    static func < (a: S, b: S) -> Bool { a.x < b.x }\n}")
        self.assertEqual([change.text for change in operators.changes(source) if change.operator == "compare"], ["<="])

    def test_numbers(self):
        self.assertEqual(mutants("x = a + 1", "arithmetic"), ["x = a - 1"])
        self.assertEqual(mutants("x = 0x10", "plus-one", "minus-one"), ["x = 15", "x = 17"])
        self.assertEqual(mutants("x = 0", "plus-one", "minus-one"), ["x = 1"])
        self.assertEqual(mutants("x = $0.1 + a.0", "plus-one", "minus-one"), [])
        self.assertEqual(mutants("x = 32 << 20", "plus-one", "minus-one"), [])
        self.assertEqual(mutants("x = 1.5", "plus-one", "minus-one"), [])

    def test_no_two_keys_are_the_same(self):
        for line in ("x = a.sorted { $0.key < $1.key }", "for b in a.sorted(by: { $0.key < $1.key }) {}"):
            self.assertEqual(mutants(line, "compare"), [], line)
        for line in ("x = a.sorted { $0.value < $1.value }", "x = a.max { $0.key < $1.key }", "x = a.sorted { $0.key < b }"):
            self.assertEqual(len(mutants(line, "compare")), 1, line)

    def test_an_excess_is_nothing_where_both_are_the_same(self):
        for line in ("x = a.b > c ? a.b - c : 0", "x += a > b[i] ? a - b[i] : 0", "return s + (a > b ? a - b : 0)"):
            self.assertEqual(mutants(line, "compare"), [], line)
        others = ("x = a > b ? a - b : 1", "x = a > b ? a - c : 0", "x = a >= b ? a - b : 0", "x = c && a > b ? a - b : 0")
        for line in (*others, "x = d + a > b ? a - b : 0"):
            self.assertEqual(len(mutants(line, "compare")), 1, line)

    def test_extremes(self):
        self.assertEqual(mutants("x = min(a, b)", "min-max"), ["x = max(a, b)"])
        self.assertEqual(mutants("x = a.map(b).min()", "min-max"), ["x = a.map(b).max()"])
        self.assertEqual(mutants("x = UInt64.max", "min-max"), ["x = UInt64.min"])
        self.assertEqual(mutants("x = f(min: 1, max: b)", "min-max"), [])

    def test_logic_and_conditions(self):
        self.assertEqual(mutants("if a && b { c() }", "logic"), ["if a || b { c() }"])
        self.assertEqual(mutants("if let a, !b, case .c = d { e() }", "negate"), ["if let a, !(!b), case .c = d { e() }"])
        self.assertEqual(mutants("while a.b { c() }", "negate"), ["while !(a.b) { c() }"])
        self.assertEqual(mutants("for a in b where a > c { d() }", "negate"), ["for a in b where !(a > c) { d() }"])
        self.assertEqual(mutants("if a == b { c() }", "negate"), [])  # compare makes that.
        self.assertEqual(
            mutants("if a { b() } else if c { d() }", "negate"),
            ["if !(a) { b() } else if c { d() }", "if a { b() } else if !(c) { d() }"])

    def test_guards(self):
        text = "guard let a, a.b { $0 > 1 }, c else { return }"
        self.assertEqual(
            mutants(text, "drop-guard"), ["guard let a, true, c else { return }", "guard let a, a.b { $0 > 1 }, true else { return }"])
        self.assertEqual(mutants("guard let a else { return }", "drop-guard"), [])

    def test_calls(self):
        self.assertEqual(mutants("try self.file.syncData()", "drop-sync"), ["_ = ()"])
        self.assertEqual(mutants("try Folder.sync(Folder.parent(of: a))", "drop-sync"), ["_ = ()"])
        self.assertEqual(
            mutants("do { try a.sync() } catch { b() }", "drop-sync", "drop-call"),
            ["do { _ = () } catch { b() }", "do { try a.sync() } catch { _ = () }"])
        self.assertEqual(mutants("try? await a.b()", "drop-await"), ["_ = ()"])
        self.assertEqual(mutants("_ = await a.b()", "drop-await"), ["_ = ()"])
        self.assertEqual(mutants("a.b()", "drop-await", "drop-sync"), [])
        self.assertEqual(mutants("let a = await b()", "drop-await", "drop-call"), [])

    def test_what_no_test_can_miss_is_left_alone(self):
        everything = set(operators.NAMES)
        self.assertEqual(mutants("precondition(a < 1)\nself.logger.info(a > 2)", *everything), [])
        self.assertEqual(len(mutants('self.logger.error("a")', *everything)), 1)

    def test_assignments(self):
        self.assertEqual(mutants("self.a += 1", "drop-assignment"), ["_ = ()"])
        self.assertEqual(mutants("var a = 1", "drop-assignment"), [])

    def test_swaps(self):
        self.assertEqual(mutants("a()  // why\nb()", "swap"), ["b()  // why\na()"])
        self.assertEqual(mutants("a(); b()", "swap"), ["b(); a()"])
        self.assertEqual(mutants("guard a else { return }\nb()\nlet c = d\ne()", "swap"), [])
        self.assertEqual(mutants("if a { return }\nb()", "swap"), ["b()\nif a { return }"])

    def test_swaps_that_mean_nothing_are_left_out(self):
        self.assertEqual(mutants("self.a = b\nself.c = d", "swap"), [])
        self.assertEqual(mutants("self.a[i].x -= Int(n)\nself.y += 1", "swap"), [])
        self.assertEqual(len(mutants("self.a = b\nself.c = self.a", "swap")), 1)
        self.assertEqual(len(mutants("self.a = b()\nself.c = d", "swap")), 1)
        store = "m.storeBytes(of: a, toByteOffset: {}, as: Int.self)"
        self.assertEqual(mutants(f"{store.format(0)}\n{store.format(8)}", "swap"), [])
        self.assertEqual(len(mutants(f"{store.format(0)}\n{store.format(0)}", "swap")), 1)

    def test_swaps_of_what_neither_changes_nor_sees_the_other_are_left_out(self):
        for one, other in (
            ("self.a = b.number(8)", "self.c = b.number(16)"),
            ("p.put(a, at: 8)", "p.put(b.c, at: 16)"),
            ("p.put(a, at: 8)", "b.write(to: p + 16)"),
            ("self.a = Mutex(b)", "self.c = Slab(capacity: d)"),
            ("if a { flags.insert(.x) }", "if b { flags.insert(.y) }"),
            ("if a { flags |= X }", "if b { flags |= Y }"),
            ("found.append(a)", "weight += a.size"),
            ("for a in b { self.c += a }", "self.d = e"),
            ("self.a.change { $0.b = c }", "d.e = f"),
            ("self.metrics.a.increment()", 'self.logger.error("b \\(c)")'),
            ("self.go(a.b)", "isFirst = false"),
        ):
            self.assertEqual(mutants(f"{one}\n{other}", "swap"), [], f"{one}; {other}")

    def test_swaps_that_may_mean_something_are_tried(self):
        for one, other in (
            ("self.a = b.number(c)", "self.c = d"),
            ("p.put(a, at: 8)", "p.put(b, at: 8)"),
            ("p.put(SpoolFormat.crc(p.part(8, 8)), at: 4)", "p.put(b, at: 8)"),
            ("self.a.removeAll { $0.b }", "c = self.a.last"),
            ("a.append(b)", "a.append(c)"),
            ("a += b", "a += c"),
            ("if a { self.b = c }", "if d { self.b = e }"),
            ("self.a = Task { b() }", "self.c = d"),
            ("self.a.change { $0.b = c }", "d = self.a.b"),
            ("self.a.change { $0.b = c }", "d = E(self.a)"),
            ("self.a { b() }", "self.c = d"),
            ("self.a = b", "self.log()"),
            ("self.a = true", "self.go()"),
            ("a = true", "self.go(a)"),
            ("a = true", "try self.go()"),
            ("a = true", "go()"),
            ("self.a += 1", 'self.logger.error("b \\(a)")'),
            ("self.logger.warning(a)", 'self.logger.error(b)'),
            ("try self.a()", "self.b = c"),
            ("self.a = await b.c", "self.d = e"),
            ("while a { if b { return } }", "self.d = e"),
            ("if a { continue }", "self.d = e"),
        ):
            self.assertEqual(len(mutants(f"{one}\n{other}", "swap")), 1, f"{one}; {other}")
        watched = "struct S {\n    var a: Int { self.b }\n    func f() {\n        self.b = c\n        d = self.a\n    }\n}\n"
        self.assertEqual([change.operator for change in operators.changes(swift.read(watched))].count("swap"), 1)

    TYPE = """
struct S {{
    private mutating func add(_ a: Int) {{
        guard a > 0, self.isOpen else {{ return }}
        self.sum += a
        self.more(a)
    }}
    mutating func more(_ a: Int) {{ self.all.append(a) }}
    mutating func both() {{ (self.b, self.c) = (1, 2) }}
    mutating func local() {{
        var b = 1
        b += 1
    }}
    mutating func odd() {{ self.other.go() }}
    mutating func loop() {{ if self.sum > 0 {{ self.loop() }} }}
    var isOpen: Bool {{ self.limit > self.sum }}
    mutating func f() {{
        {}
        {}
    }}
}}
protocol S {{
    func needed(_ a: Int)
}}
extension S {{
    func needed(_ a: Int) {{}}
}}
struct T {{
    enum E {{
        case known(Int)
    }}
    func quiet() {{}}
}}
"""

    def test_what_a_function_of_the_type_does_is_what_stands_in_it(self):
        def swaps(one, other):
            changes = operators.changes(swift.read(self.TYPE.format(one, other)))
            return sum(change.operator == "swap" and change.text.endswith(one) for change in changes)

        for one, other in (
            ("self.add(a)", "self.b = c"),
            ("self.more(a)", "self.sum += 1"),
            ("self.loop()", "self.all.append(a)"),
            ("if self.isOpen { self.b = c }", "self.all.append(a)"),
            ("self.b.append(.known(a))", "self.c = d"),
            ("self.local()", "self.b = c"),
            ("if a ?? b.map({ $0.c }) ?? d { self.b = c }", "self.sum += 1"),
        ):
            self.assertEqual(swaps(one, other), 0, f"{one}; {other}")
        for one, other in (
            ("self.add(a)", "self.sum = c"),
            ("self.add(a)", "self.all = []"),  # By what it calls.
            ("self.add(a)", "self.limit = c"),  # By the property that it looks at.
            ("self.add(a)", "self.more(b)"),
            ("self.loop()", "self.sum = c"),
            ("self.both()", "self.b = c"),
            ("self.odd()", "self.b = c"),
            ("self.quiet()", "self.b = c"),  # Another type's.
            ("self.b.append(.unknown(a))", "self.c = d"),
            ("T.add(a)", "self.b = c"),
            ("t.add(a)", "self.b = c"),
            ("self.needed(a)", "self.b = c"),  # Whoever is of the protocol has its own.
            ("add(a)", "self.b = c"),
            ("self.add(a)", "self.b = C(self)"),
            ("self.add(a)", "self.b = self.c.map(self.add)"),
            ("if self.isOpen { self.b = c }", "self.limit = d"),
            ("a.b = c", "self.d[e] = a"),  # A copy of it.
            ("a.b = c", "d.append(a)"),
        ):
            self.assertEqual(swaps(one, other), 1, f"{one}; {other}")

    def test_answers(self):
        self.assertEqual(
            mutants("if a { return true }\nreturn b.c", "bool", head="func f() -> Bool"),
            ["if a { return false }\nreturn b.c", "if a { return true }\nreturn !(b.c)"])
        self.assertEqual(mutants("a.b && c", "bool", head="var f: Bool"), ["!(a.b && c)"])
        self.assertEqual(mutants("return b.c { return d }", "bool", head="func f() -> Bool"), ["return !(b.c { return d })"])
        self.assertEqual(mutants("return b.c", "bool"), [])


class Ids(unittest.TestCase):
    TEXT = body("self.a(1)\nif a < b { c() }\nif a < b { c() }")

    def test_ids_differ_and_last_when_lines_move(self):
        before = sites.of_text(self.TEXT, "A.swift")
        after = sites.of_text("// A line more.\n\n" + self.TEXT, "A.swift")
        self.assertEqual(len({site.mark for site in before}), len(before))
        self.assertEqual([site.mark for site in before], [site.mark for site in after])
        self.assertEqual([site.line + 2 for site in before], [site.line for site in after])

    def test_a_changed_line_is_another_site(self):
        before = {site.mark for site in sites.of_text(self.TEXT, "A.swift")}
        after = {site.mark for site in sites.of_text(self.TEXT.replace("self.a(1)", "self.a(2)"), "A.swift")}
        self.assertTrue(before & after)
        self.assertTrue(before - after)

    def test_it_is_applied_where_it_stands(self):
        site = next(site for site in sites.of_text(self.TEXT, "A.swift") if site.operator == "compare")
        self.assertEqual((site.line, site.column), (4, 14))
        self.assertIn("if a <= b { c() }\n        if a < b", site.applied(self.TEXT))
        self.assertIn("+        if a <= b { c() }", site.diff(self.TEXT))


if __name__ == "__main__":
    unittest.main()
