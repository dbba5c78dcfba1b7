"""Whether the order of two statements can mean anything, as far as their text shows it.

What isn't known here may do anything, so it is never left alone.
"""

import re

from mutator.swift import ASSIGNMENTS

CONVERSIONS = {f"{sign}Int{width}" for sign in ("", "U") for width in ("", 8, 16, 32, 64)} | {"Double", "String"}
# They do something beside making a value.
MAKERS_THAT_ACT = {"Task", "Thread", "ThreadExecutor", "SpoolLock", "AckToken", "AsyncStream"}
# They look at what they belong to, or at what they are given.
READS = {
    "number", "part", "load", "loadUnaligned", "min", "max", "map", "compactMap", "flatMap", "filter", "reduce", "contains", "prefix",
    "dropFirst", "dropLast", "aligned", "allocate", "enumerated", "zip", "cut", "counter", "gauge", "histogram",
}
# They change what they belong to, and nothing else.
CHANGES = {"append", "insert", "remove", "removeAll", "removeFirst", "removeLast", "raise"}
# They run what they are given on what they belong to, and nobody else looks at that meanwhile.
SCOPES = {"withLock", "change"}
# So often as one likes, in any order: the same comes out.
ACCUMULATE = {"|=", "insert"}
# They tell of something, each for itself.
TELLS = {"increment", "observe"}
LOGS = {"trace", "debug", "info", "notice", "warning", "error"}
LEAVES = {"await", "try", "return", "throw", "fallthrough", "yield", "defer", "repeat", "switch", "do", "catch"}
# They leave a loop, or a block in it, so in a loop they leave nothing else.
LEAVES_LOOPS = {"break", "continue", "guard"}
LITERALS = {"true", "false", "nil", "[", "]"}


class Unknown(Exception):
    """It may do anything."""


class Effects:
    """What a statement looks at, by the words in it, and what it changes, with how."""

    def __init__(self):
        self.words, self.changed = set(), {}

    def change(self, name, how):
        if self.changed.setdefault(name, how) != how:
            self.changed[name] = "="


def are_independent(source, one, other):
    for first, second in ((one, other), (other, one)):
        if is_constant_for_a_local(source, first) and cannot_see(source, second, local(source, first)):
            return True
    try:
        effects, others = effects_of(source, one), effects_of(source, other)
    except Unknown:
        return False
    for mine, theirs in ((effects, others), (others, effects)):
        for name, how in mine.changed.items():
            if name in theirs.changed and theirs.changed[name] == how and how in ACCUMULATE:
                continue
            if name in theirs.changed or name in theirs.words:
                return False
    return True


def effects_of(source, statement):
    tokens, effects = source.tokens, Effects()
    computed = computed_by(source)
    leaves = LEAVES if tokens[statement.first].text in ("for", "while") else LEAVES | LEAVES_LOOPS
    place = statement.first
    while place <= statement.last:
        token = tokens[place]
        following = tokens[place + 1] if place < statement.last else None
        if token.kind == "word":
            if token.text in leaves or token.text in computed:
                raise Unknown
            if following and (following.text == "(" and not following.spaced_before or is_closure(source, place, statement)):
                place = called(source, place, statement, effects)
                continue
            if not is_target(source, place, statement):
                effects.words.add(token.text)
        elif token.text in ASSIGNMENTS and token.is_binary:
            for name in targets(source, place, statement.first):
                effects.change(name, token.text)
        elif token.kind == "string" and "\\(" in token.text:
            effects.words.update(re.findall(r"\w+", token.text))  # Interpolated: looked at.
        elif token.text == "&" and token.kind == "operator":
            raise Unknown
        place += 1
    return effects


def is_closure(source, place, statement):
    """Whether a word is a call by what stands in braces behind it, which is no block of an `if` or a loop then."""
    tokens = source.tokens
    if place == statement.last or tokens[place + 1].text != "{" or tokens[place].text in ("else", "in"):
        return False
    at = place
    while at > statement.first and tokens[at - 1].text not in ("{", "}"):
        at -= 1
    return not any(token.text in ("if", "for", "while", "guard") for token in tokens[at:place])


def called(source, place, statement, effects):
    """A call: notes what it changes, and gives the place where what it is given begins."""
    tokens, name = source.tokens, source.tokens[place].text
    stored = stored_at(source, place) if tokens[place + 1].text == "(" else None
    if stored:
        effects.change(stored, "=")
    elif name in LOGS and place > statement.first + 1 and tokens[place - 2].text == "logger":
        effects.change("logger", "=")
    elif name in SCOPES:
        effects.change(receiver(source, place, statement.first), "=")
    elif name in TELLS:
        effects.change(path_before(source, place, statement.first), "=")
    elif name in CHANGES:
        how = name if "at" not in (token.text for token in tokens[place + 2 : place + 8]) else "="
        effects.change(receiver(source, place, statement.first), how)
    elif name in MAKERS_THAT_ACT or not (name[0].isupper() or name in READS):
        raise Unknown
    return place + 1


def stored_at(source, place):
    """Where `memory.put(_, at: 8)`, `memory.storeBytes(of: _, toByteOffset: 8, as: _)` and `_.write(to: memory + 8)` store.

    Different offsets are different fields.
    """
    tokens = source.tokens
    name, last = tokens[place].text, source.pairs[place + 1]
    inside = [tokens[at].text for at in source.outer(place + 2, last - 1)]
    if name == "put" and inside[-3:-1] == ["at", ":"] and inside[-1].isdigit():
        return f"{receiver(source, place, 0)}@{inside[-1]}"
    if name == "storeBytes" and "toByteOffset" in inside:
        at = inside[inside.index("toByteOffset") + 2 :][:2]
        if at[0].isdigit() and at[-1] in (at[0], ","):
            return f"{receiver(source, place, 0)}@{at[0]}"
    if name == "write" and inside[:2] == ["to", ":"] and len(inside) == 5 and inside[3] == "+" and inside[4].isdigit():
        return f"{inside[2]}@{inside[4]}"
    return None


def path_before(source, place, first):
    names = []
    while place > first and source.tokens[place - 1].text == ".":
        place -= 2
        names.append(source.tokens[place].text)
    return ".".join(reversed(names))


def receiver(source, place, first):
    """The word that a call belongs to: `runs` of `self.runs[a].append(b)`."""
    tokens = source.tokens
    if place - 2 < first or tokens[place - 1].text != ".":
        raise Unknown
    return behind(source, place - 2, first)


def behind(source, place, first):
    tokens = source.tokens
    while place >= first and tokens[place].text in ("]", "!", "?"):
        place = (source.pairs[place] if tokens[place].text == "]" else place) - 1
    if place < first or tokens[place].kind != "word":
        raise Unknown
    return tokens[place].text


def targets(source, sign, first):
    """What an assignment changes."""
    tokens = source.tokens
    if tokens[sign - 1].text == ")":
        return [tokens[at].text for at in range(source.pairs[sign - 1], sign) if tokens[at].kind == "word" and tokens[at].text != "self"]
    return [behind(source, sign - 1, first)]


def is_target(source, place, statement):
    """Whether a word stands where it is changed, and is not looked at: `a` in `self.a = b`, `self.a.insert(c)`."""
    tokens = source.tokens
    following = tokens[place + 1] if place < statement.last else None
    if following is None:
        return False
    if following.text in ASSIGNMENTS and following.is_binary:
        return True
    behind_dot = tokens[place + 2].text if place + 2 <= statement.last else ""
    return following.text == "." and (behind_dot in CHANGES or behind_dot in TELLS)


def computed_by(source):
    """The names of properties that are worked out, or watched, in this file: they look at others."""
    names = getattr(source, "computed", None)
    if names is None:
        names = set(re.findall(r"\bvar (\w+)\b[^=\n]*\{(?!\s*\$0)", source.text))
        source.computed = names
    return names


def local(source, statement):
    return source.tokens[statement.first].text


def is_constant_for_a_local(source, statement):
    """`isFirst = false`: of a variable that only the function has."""
    tokens = source.tokens
    texts = [tokens[at].text for at in range(statement.first, statement.last + 1)]
    if statement.kind != "assignment" or texts[1:2] != ["="] or len(texts) < 3 or tokens[statement.first].kind != "word":
        return False
    return all(text in LITERALS or text.isdigit() for text in texts[2:])


def cannot_see(source, statement, name):
    """Whether a statement calls a method and says nothing of a variable: it could change that only by a closure, which would say so."""
    tokens = source.tokens
    texts = [tokens[at].text for at in range(statement.first, statement.last + 1)]
    if statement.kind != "call" or name in texts or "try" in texts or any("\\(" in text for text in texts):
        return False
    for at in range(statement.first, statement.last):
        if tokens[at + 1].text in ("(", "{") and tokens[at].kind == "word" and tokens[at].text[0].islower() and tokens[at - 1].text != ".":
            return False  # A function inside the function might.
    return True
