"""As much of Swift as is needed to change it mechanically: tokens, blocks, statements.

No grammar: brackets are matched, and a statement ends where a line ends, unless what stands around the end says that it goes on. The
sources are formatted by swift-format, so an operator with a space on both sides is binary, and no other is. What this takes for a
statement by mistake does not compile when it is changed, and such a mutant is not counted.
"""

from bisect import bisect_right
from dataclasses import dataclass, field

OPENING = {"(": ")", "[": "]", "{": "}"}
OPERATOR = set("/=-+!*%<>&|^~?")
DIRECTIVES = ("#if", "#elseif", "#else", "#endif", "#warning", "#error", "#sourceLocation")
ASSIGNMENTS = {"=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<<=", ">>=", "&+=", "&-=", "&*=", "&<<=", "&>>="}

TYPES = {"struct", "class", "enum", "extension", "protocol", "actor"}
BODIES = {"func", "init", "deinit", "subscript", "var", "let", "case", "get", "set", "willSet", "didSet", "typealias"}
MODIFIERS = {
    "public", "package", "internal", "fileprivate", "private", "open", "static", "final", "lazy", "weak", "unowned", "mutating",
    "nonmutating", "nonisolated", "isolated", "override", "required", "convenience", "indirect", "consuming", "borrowing", "prefix",
    "postfix", "infix", "import", "associatedtype", "operator", "precedencegroup", "deinit", "async",
}
ACCESSORS = {"get", "set", "willSet", "didSet", "_read", "_modify"}
CONTROL = {"if", "guard", "while", "for", "repeat", "switch", "do", "defer"}
JUMPS = {"return", "throw", "break", "continue", "fallthrough", "yield"}
GOES_ON_BEFORE = {".", "else", "catch", "where", ")", "]", ",", ":", "{", "throws", "async", "in"}
GOES_ON_AFTER = {
    "(", "[", ",", ".", "else", "try", "await", "throw", "is", "as", "where", "let", "var", "func", "guard", "if", "while", "case",
}


class Unreadable(Exception):
    """The text is not what this file knows of Swift."""


@dataclass(slots=True)
class Token:
    kind: str  # word, number, string, operator, mark, directive
    text: str
    start: int
    end: int
    line: int
    column: int
    starts_line: bool
    spaced_before: bool
    spaced_after: bool = False

    @property
    def is_binary(self):
        """Whether it is an operator between two operands; an assignment, `->` and the parts of `a ? b : c` are none."""
        return self.kind == "operator" and self.spaced_before and self.spaced_after and self.text not in ("->", "?")


@dataclass(slots=True)
class Statement:
    """Tokens `first` to `last`, both included."""

    first: int
    last: int
    kind: str  # call, assignment, control, jump, declaration, case, other


@dataclass
class Block:
    """What stands between braces and is run: statements in order."""

    statements: list
    returns_bool: bool  # of the function around it
    is_body: bool  # of a function, or of what is computed: a single expression is what it returns


@dataclass
class Source:
    text: str
    tokens: list
    pairs: dict  # the place of a bracket, opening or closing, to its partner's
    blocks: list = field(default_factory=list)
    module: object = None  # What is known of the functions around it.

    def between(self, first, last):
        """The text of the tokens `first` to `last`, both included."""
        return self.text[self.tokens[first].start : self.tokens[last].end]

    def outer(self, first, last):
        """The places from `first` to `last` that are in no bracket opened on the way; of a bracket only the opening one."""
        place = first
        while place <= last:
            yield place
            place = self.pairs[place] + 1 if self.tokens[place].text in OPENING and self.tokens[place].kind == "mark" else place + 1


def read(text):
    tokens = tokenize(text)
    source = Source(text, tokens, match(tokens))
    if tokens:
        declarations(source, 0, len(tokens) - 1)
    return source


# Tokens


def tokenize(text):
    starts = [0] + [place + 1 for place, character in enumerate(text) if character == "\n"]
    tokens = []
    place, spaced, newline = 0, True, True
    while place < len(text):
        character = text[place]
        if character.isspace():
            spaced, newline = True, newline or character == "\n"
            place += 1
            continue
        if text.startswith("//", place):
            place = line_end(text, place)
            spaced = True
            continue
        if text.startswith("/*", place):
            place = comment_end(text, place)
            spaced = True
            continue
        end = regex_end(text, place, tokens[-1] if tokens else None)
        kind, end = ("string", end) if end else token_at(text, place, newline)
        line = bisect_right(starts, place)
        tokens.append(Token(kind, text[place:end], place, end, line, place - starts[line - 1] + 1, newline, spaced))
        tokens[-1].spaced_after = end >= len(text) or text[end].isspace() or text.startswith(("//", "/*"), end)
        place, spaced, newline = end, False, False
    return tokens


def token_at(text, place, starts_line):
    character = text[place]
    if character == '"' or (character == "#" and text[place:].lstrip("#").startswith('"')):
        return "string", string_end(text, place)
    if character == "#" and starts_line and text.startswith(DIRECTIVES, place):
        return "directive", line_end(text, place)
    if character == "`":
        return "word", text.index("`", place + 1) + 1
    if character.isalpha() or character in "_$":
        end = place + 1
        while end < len(text) and (text[end].isalnum() or text[end] == "_"):
            end += 1
        return "word", end
    if character.isdigit():
        return "number", number_end(text, place)
    if character in OPERATOR or text.startswith("..", place):
        # Only an operator that begins with a dot may hold one: `a!.b` is not `!.`.
        allowed = OPERATOR | {"."} if character == "." else OPERATOR
        end = place + 1
        while end < len(text) and text[end] in allowed and not text.startswith(("//", "/*"), end):
            end += 1
        return "operator", end
    return "mark", place + 1


def line_end(text, place):
    end = text.find("\n", place)
    return len(text) if end < 0 else end


def comment_end(text, place):
    depth = 0
    while place < len(text):
        if text.startswith("/*", place):
            depth, place = depth + 1, place + 2
        elif text.startswith("*/", place):
            depth, place = depth - 1, place + 2
            if depth == 0:
                return place
        else:
            place += 1
    raise Unreadable("a comment has no end")


def string_end(text, place):
    """Behind the closing quote. What is interpolated belongs to the string, with the strings inside it."""
    hashes = 0
    while text[place] == "#":
        hashes, place = hashes + 1, place + 1
    quote = '"""' if text.startswith('"""', place) else '"'
    closing, escape = quote + "#" * hashes, "\\" + "#" * hashes
    place += len(quote)
    while place < len(text):
        if text.startswith(closing, place):
            return place + len(closing)
        if text.startswith(escape + "(", place):
            place = interpolation_end(text, place + len(escape))
        elif text.startswith(escape, place):
            place += len(escape) + 1
        elif text[place] == "\n" and quote == '"':
            break
        else:
            place += 1
    raise Unreadable("a string has no end")


def regex_end(text, place, before):
    """Behind a regular expression that begins here, `/…/` or `#/…/#`; none if none does.

    One begins where an operand is to come, and not with a space; it ends on its line.
    """
    hashes = len(text[place:]) - len(text[place:].lstrip("#")) if text[place] == "#" else 0
    start = place + hashes
    if text[start : start + 1] != "/":
        return None
    if hashes == 0:
        expects = before is None or before.text in ("(", "[", "{", ",", ":", ";", "return", "in", "case") or before.is_binary
        if not expects or text[start + 1 : start + 2].isspace():
            return None
    at, closing = start + 1, "/" + "#" * hashes
    while at < len(text) and text[at] != "\n":
        if text.startswith(closing, at):
            return at + len(closing)
        at += 2 if text[at] == "\\" else 1
    return None


def interpolation_end(text, place):
    depth = 0
    while place < len(text):
        character = text[place]
        if character == '"' or (character == "#" and text[place:].lstrip("#").startswith('"')):
            place = string_end(text, place)
            continue
        depth += {"(": 1, ")": -1}.get(character, 0)
        place += 1
        if depth == 0:
            return place
    raise Unreadable("an interpolation has no end")


def number_end(text, place):
    end = place + 1
    while end < len(text):
        is_point = text[end] == "." and text[end + 1 : end + 2].isdigit() and "." not in text[place:end]
        if text[end].isalnum() or text[end] == "_" or is_point:
            end += 1
        elif text[end] in "+-" and text[end - 1] in "eE" and not text.startswith("0x", place):
            end += 1
        else:
            break
    return end


def match(tokens):
    pairs, waiting = {}, []
    for place, token in enumerate(tokens):
        if token.kind != "mark":
            continue
        if token.text in OPENING:
            waiting.append(place)
        elif token.text in OPENING.values():
            if not waiting or OPENING[tokens[waiting[-1]].text] != token.text:
                raise Unreadable(f"line {token.line}: {token.text!r} closes nothing")
            pairs[waiting[-1]] = place
            pairs[place] = waiting.pop()
    if waiting:
        raise Unreadable(f"line {tokens[waiting[-1]].line}: nothing closes {tokens[waiting[-1]].text!r}")
    return pairs


# Blocks


def declarations(source, first, last):
    """The inside of a type, or a file: goes into what is declared there."""
    start = first
    for place in source.outer(first, last):
        token = source.tokens[place]
        if token.kind == "mark" and token.text == "{":
            declared(source, start, place)
            start = source.pairs[place] + 1
        elif token.text in OPENING and token.kind == "mark":
            # Closures among arguments of an attribute or a macro, or in an array that a property begins with.
            closures(source, place + 1, source.pairs[place] - 1)


def declared(source, start, brace):
    """Goes into the braces that belong to a declaration."""
    tokens, inside = source.tokens, (brace + 1, source.pairs[brace] - 1)
    keyword = None
    for place in source.outer(start, brace - 1):
        is_member = place > 0 and tokens[place - 1].text == "."
        if tokens[place].kind == "word" and tokens[place].text in TYPES | BODIES and not is_member:
            keyword = tokens[place].text
    if keyword in TYPES:
        declarations(source, *inside)
    else:
        returns_bool = tokens[brace - 1].text == "Bool" and tokens[brace - 2].text in ("->", ":")
        code(source, *inside, returns_bool, is_body=True)


def closures(source, first, last):
    place = first
    while place <= last:
        if source.tokens[place].text == "{" and source.tokens[place].kind == "mark":
            code(source, place + 1, source.pairs[place] - 1, returns_bool=False, is_body=False)
            place = source.pairs[place]
        place += 1


def code(source, first, last, returns_bool, is_body):
    """The inside of braces that is run."""
    statements = split(source, behind_signature(source, first, last), last)
    if statements and all(is_accessor(source, statement.first, statement.last) for statement in statements):
        is_body = False
    source.blocks.append(Block(statements, returns_bool, is_body))
    for statement in statements:
        inside(source, statement, returns_bool)


def inside(source, statement, returns_bool):
    """Goes into the braces of a statement."""
    tokens = source.tokens
    first = unlabelled(source, statement.first)
    leading = tokens[first].text
    if is_accessor(source, first, statement.last):
        brace = next(place for place in source.outer(first, statement.last) if tokens[place].text == "{")
        return code(source, brace + 1, source.pairs[brace] - 1, returns_bool and leading in ("get", "_read"), is_body=True)
    own = []
    if statement.kind in ("control", "declaration"):
        own = [place for place in source.outer(first, statement.last) if tokens[place].kind == "mark" and tokens[place].text == "{"]
        if leading == "guard":
            own = [place for place in own if tokens[place - 1].text == "else"]
    place = statement.first
    while place <= statement.last:
        if tokens[place].text == "{" and tokens[place].kind == "mark":
            if place in own and statement.kind == "control":
                code(source, place + 1, source.pairs[place] - 1, returns_bool, is_body=False)
            elif place in own and not initial_value(source, first, place):
                declared(source, first, place)
            else:
                code(source, place + 1, source.pairs[place] - 1, returns_bool=False, is_body=False)
            place = source.pairs[place]
        place += 1


def initial_value(source, first, brace):
    """Whether the braces are part of what a variable is given: `let a = b.map { … }`."""
    words = {source.tokens[place].text for place in source.outer(first, brace - 1)}
    return "=" in words and not words & (TYPES | {"func", "init"})


def behind_signature(source, first, last):
    """Past `[captures] (parameters) in` of a closure."""
    for place in source.outer(first, last):
        token = source.tokens[place]
        if place > first and token.starts_line and source.tokens[place - 1].text not in (",", "(", "->"):
            break
        if token.text in CONTROL or token.text in ASSIGNMENTS:
            break
        if token.text == "in" and token.kind == "word":
            return place + 1
    return first


def split(source, first, last):
    tokens, statements = source.tokens, []
    start = first
    place = first
    while start <= last:
        if is_case(source, start):
            colon = next((at for at in source.outer(start, last) if tokens[at].text == ":"), last)
            statements.append(Statement(start, colon, "case"))
            start = colon + 1
            continue
        place = start
        for at in source.outer(start, last):
            if at > start and (tokens[at].text == ";" or (tokens[at].starts_line and not goes_on(source, at))):
                break
            place = source.pairs[at] if at in source.pairs else at
        statements.append(Statement(start, place, classify(source, start, place)))
        start = place + 1
        if start <= last and tokens[start].text == ";":
            start += 1
    return statements


def is_case(source, place):
    text = source.tokens[place].text
    if text == "@":
        return source.tokens[place + 1].text == "unknown"
    return text in ("case", "default") and source.tokens[place].kind == "word"


def goes_on(source, place):
    """Whether the line that begins at a token belongs to the statement before."""
    before, token = source.tokens[place - 1], source.tokens[place]
    if token.text in GOES_ON_BEFORE and token.kind in ("mark", "word"):
        return True
    if token.kind == "operator" and (token.is_binary or (token.text == "?" and token.spaced_after)):
        return True
    if before.kind == "operator":
        return before.spaced_before  # Binary, at the end of a line.
    return before.text in GOES_ON_AFTER and before.kind in ("mark", "word")


def unlabelled(source, first):
    """Past `label:`."""
    tokens = source.tokens
    if first + 2 < len(tokens) and tokens[first].kind == "word" and tokens[first + 1].text == ":" and not is_case(source, first):
        return first + 2
    return first


def without_effects(source, first, last):
    """Past `try`, `try?`, `try!` and `await`; and whether there was an `await`."""
    tokens, awaits = source.tokens, False
    while first < last:
        if tokens[first].text == "await":
            awaits = True
        elif not (tokens[first].text == "try" or (tokens[first].text in "?!" and tokens[first - 1].text == "try")):
            break
        first += 1
    return first, awaits


def is_accessor(source, first, last):
    """Whether this is `get { … }` or `set(value) { … }`."""
    if source.tokens[first].text not in ACCESSORS or first == last:
        return False
    following = first + 1
    if source.tokens[following].text == "(" and source.pairs[following] < last:
        following = source.pairs[following] + 1
    return source.tokens[following].text == "{"


def classify(source, first, last):
    tokens = source.tokens
    first = unlabelled(source, first)
    token = tokens[first]
    following = tokens[first + 1].text if first < last else ""
    if token.kind == "directive" or token.text in ("@", "#"):
        return "declaration"
    if token.kind == "word":
        if token.text in CONTROL:
            return "control"
        if token.text in JUMPS:
            return "jump"
        if is_accessor(source, first, last):
            return "declaration"
        if token.text in ("let", "var"):
            return "declaration"
        if token.text in TYPES | BODIES | MODIFIERS and following not in (".", "(", "=", "+=", "-=", "?"):
            return "declaration"
    first, _ = without_effects(source, first, last)
    outer = list(source.outer(first, last))
    if any(tokens[place].text in ASSIGNMENTS and tokens[place].is_binary for place in outer):
        return "call" if tokens[first].text == "_" else "assignment"
    if any(tokens[place].is_binary or tokens[place].text in ("is", "as") for place in outer):
        return "other"
    is_called = tokens[last].text in (")", "}") and tokens[last].kind == "mark" and source.pairs[last] > first
    return "call" if is_called else "other"
