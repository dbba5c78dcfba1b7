"""Whether the order of two statements can mean anything, as far as their text shows it, and that of what they call.

What isn't known here may do anything, so it is never left alone.
"""

import re

from mutator.functions import Body, Module
from mutator.swift import ASSIGNMENTS

CONVERSIONS = {f"{sign}Int{width}" for sign in ("", "U") for width in ("", 8, 16, 32, 64)} | {"Double", "String"}
# They do something beside making a value.
MAKERS_THAT_ACT = {"Task", "Thread", "ThreadExecutor", "SpoolLock", "AckToken", "AsyncStream"}
# They look at what they belong to, or at what they are given.
READS = {
    "number", "part", "load", "loadUnaligned", "min", "max", "map", "compactMap", "flatMap", "filter", "reduce", "contains", "prefix",
    "dropFirst", "dropLast", "aligned", "allocate", "enumerated", "zip", "cut", "counter", "gauge", "histogram", "sorted", "allSatisfy",
    "first", "firstIndex", "init", "precondition", "preconditionFailure", "subtractingReportingOverflow", "withUnsafeBytes", "base",
    "shift", "origin", "acceptedAt", "isName", "isKnown", "holds",
}
# They change what they belong to, and nothing else.
CHANGES = {
    "append", "insert", "remove", "removeAll", "removeFirst", "removeLast", "removeValue", "popFirst", "popLast", "raise",
}
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
# They leave the function that they stand in, or a block of it, and so nothing of its callers.
LEAVES_FUNCTIONS = {"return", "guard", "break", "continue", "fallthrough", "switch", "defer"}
LITERALS = {"true", "false", "nil", "[", "]"}
# Names of so much that the module's own is meant only where it is of `self`.
COMMON = {"count", "isEmpty", "first", "last", "name", "text", "size", "end", "description"}


class Unknown(Exception):
    """It may do anything."""


class Effects:
    """What is looked at and what is changed.

    - words: what is looked at, by the words that are there; whole: of these, what is looked at with all that it holds.
    - changed: what is changed, with how; parts: what is changed in part.
    - memory: what is stored in, at an offset.
    - calls: the bodies that it runs of functions and properties of the same type; properties: names that may be of others.
    - is_doubtful: a word may stand for more than it says.
    """

    def __init__(self):
        self.words, self.whole, self.changed, self.parts = set(), set(), {}, set()
        self.memory, self.calls, self.properties, self.is_doubtful = set(), set(), set(), False

    def change(self, path, how):
        self.parts.update(path[:-1])
        if self.changed.setdefault(path[-1], how) != how:
            self.changed[path[-1]] = "="

    def add(self, others):
        for name, how in others.changed.items():
            self.change([name], how)
        self.words |= others.words
        self.whole |= others.whole
        self.parts |= others.parts
        self.memory |= others.memory


def are_independent(source, one, other):
    if source.module is None:
        source.module = Module([source])
    for first, second in ((one, other), (other, one)):
        if is_constant_for_a_local(source, first) and cannot_see(source, second, local(source, first)):
            return True
    try:
        effects, others = own_effects(source, one), own_effects(source, other)
        if effects.calls or others.calls:
            with_calls(source.module, effects)
            with_calls(source.module, others)
            if effects.memory & others.whole or others.memory & effects.whole:
                return False
    except Unknown:
        return False
    return not (changes_for(effects, others) or changes_for(others, effects))


def changes_for(one, other):
    """Whether the one changes what the other looks at, or changes in another way."""
    if one.parts & other.whole:
        return True
    for name, how in one.changed.items():
        if name in other.words or (name in other.changed and not (other.changed[name] == how and how in ACCUMULATE)):
            return True
    return False


def with_calls(module, effects):
    """Adds what is done by all that it calls, whether itself or through others."""
    added, waiting = set(), [effects]
    while waiting:
        caller = waiting.pop()
        if caller.is_doubtful or caller.properties & module.requirements:
            raise Unknown
        for body in caller.calls | {body for name in caller.properties for body in module.properties_named(name)}:
            if body not in added:
                added.add(body)
                others = own_effects(body.source, body, LEAVES - LEAVES_FUNCTIONS)
                effects.add(others)
                waiting.append(others)


def own_effects(source, statement, leaves=None):
    tokens, effects = source.tokens, Effects()
    if leaves is None:
        leaves = LEAVES if tokens[statement.first].text in ("for", "while") else LEAVES | LEAVES_LOOPS
    computed = computed_by(source)
    place = statement.first
    while place <= statement.last:
        token = tokens[place]
        following = tokens[place + 1] if place < statement.last else None
        if token.kind == "word":
            if token.text in leaves:
                raise Unknown
            if following and (following.text == "(" and not following.spaced_before or is_closure(source, place, statement)):
                place = called(source, place, statement, effects)
                continue
            named(source, place, statement, effects, computed)
        elif token.text in ASSIGNMENTS and token.is_binary:
            for path in targets(source, place, statement.first):
                if len(path) > 1 or not isinstance(statement, Body):  # What a function has for itself is nobody's.
                    effects.change(path, token.text)
        elif token.kind == "string" and "\\(" in token.text:
            effects.words.update(re.findall(r"\w+", token.text))  # Interpolated: looked at.
        elif token.text == "&" and token.kind == "operator" and not token.is_binary:
            raise Unknown
        place += 1
    return effects


def named(source, place, statement, effects, computed):
    """A word that is no call."""
    tokens, name, module = source.tokens, source.tokens[place].text, source.module
    end = behind_subscripts(source, place, statement)
    behind = tokens[end].text if end <= statement.last else ""
    is_own, is_member = is_of_self(source, place), tokens[place - 1].text == "."
    if name == "self" and behind != "." and not is_member:
        effects.is_doubtful = True  # All that it holds.
    if is_own and behind != "." and module.function_of(source, place) and not is_target(source, place, statement):
        effects.is_doubtful = True  # A function that is given to somebody.
    if is_implicit(source, place):
        pass
    elif name in computed:
        bodies = module.properties_named(name)
        if not bodies or name in module.requirements:
            raise Unknown
        effects.calls.update(bodies)
    elif is_own:
        effects.is_doubtful |= name in module.requirements
        effects.calls.update(module.property_of(source, place))
    elif is_member and name not in COMMON:
        effects.properties.add(name)
    if not is_target(source, place, statement):
        effects.words.add(name)
        if behind != "." and not (name == "self" and is_member):
            effects.whole.add(name)


def is_of_self(source, place):
    """`a` of `self.a`, `Self.a` and `Type.a`."""
    tokens = source.tokens
    if place < 2 or tokens[place - 1].text != "." or tokens[place - 2].kind != "word" or tokens[place - 3].text == ".":
        return False
    return tokens[place - 2].text == "self" or tokens[place - 2].text[0].isupper()


def behind_subscripts(source, place, statement):
    """The place behind a word and what stands in brackets, or unwraps, behind it."""
    tokens, place = source.tokens, place + 1
    while place <= statement.last and not tokens[place].spaced_before and tokens[place].text in ("[", "!", "?"):
        place = source.pairs.get(place, place) + 1
    return place


def is_closure(source, place, statement):
    """Whether a word is a call by what stands in braces behind it, which is no block of an `if` or a loop then."""
    tokens = source.tokens
    if place == statement.last or tokens[place + 1].text != "{" or tokens[place].text in ("else", "in", "defer"):
        return False
    at = place - 1
    while at >= statement.first and tokens[at].text != "{" and not (tokens[at].text == "}" and tokens[at + 1].starts_line):
        if tokens[at].text in ("if", "for", "while", "guard", "switch"):
            return False
        at = (source.pairs[at] if tokens[at].text in ("}", ")", "]") else at) - 1
    return True


def called(source, place, statement, effects):
    """A call: notes what it changes, and gives the place where what it is given begins."""
    tokens, name = source.tokens, source.tokens[place].text
    stored = stored_at(source, place) if tokens[place + 1].text == "(" else None
    own = source.module.function_of(source, place) if is_of_self(source, place) else None
    if own:
        effects.calls.update(own)
        if name in CHANGES:
            effects.change(["self"], "=")  # Perhaps another one of the same name.
    elif stored:
        effects.change([stored], "=")
        effects.memory.add(stored.split("@")[0])
    elif name in LOGS and place > statement.first + 1 and tokens[place - 2].text == "logger":
        effects.change(["logger"], "=")
    elif name in SCOPES:
        effects.change(receiver(source, place, statement.first), "=")
    elif name in TELLS:
        effects.change([path_before(source, place, statement.first)], "=")
    elif name in CHANGES:
        how = name if "at" not in (token.text for token in tokens[place + 2 : place + 8]) else "="
        effects.change(receiver(source, place, statement.first), how)
    elif name in MAKERS_THAT_ACT or not (name[0].isupper() or name in READS or is_case(source, place)):
        raise Unknown
    return place + 1


def is_case(source, place):
    """`.a(b)`, of an enumeration."""
    return is_implicit(source, place) and source.tokens[place].text in source.module.cases


def is_implicit(source, place):
    """`.a`, of a type that is not named: a case, or something as constant."""
    before = source.tokens[place - 2]
    return source.tokens[place - 1].text == "." and (before.text in ("(", "[", ",", ":", "case", "return") or before.is_binary)


def stored_at(source, place):
    """Where `memory.put(_, at: 8)`, `memory.storeBytes(of: _, toByteOffset: 8, as: _)` and `_.write(to: memory + 8)` store.

    Different offsets are different fields.
    """
    tokens = source.tokens
    name, last = tokens[place].text, source.pairs[place + 1]
    inside = [tokens[at].text for at in source.outer(place + 2, last - 1)]
    if name == "put" and inside[-3:-1] == ["at", ":"] and inside[-1].isdigit():
        return f"{receiver(source, place, 0)[-1]}@{inside[-1]}"
    if name == "storeBytes" and "toByteOffset" in inside:
        at = inside[inside.index("toByteOffset") + 2 :][:2]
        if at[0].isdigit() and at[-1] in (at[0], ","):
            return f"{receiver(source, place, 0)[-1]}@{at[0]}"
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
    """The path that a call belongs to: `self`, `runs` of `self.runs[a].append(b)`."""
    tokens = source.tokens
    if place - 2 < first or tokens[place - 1].text != ".":
        raise Unknown
    return path_to(source, place - 2, first)


def path_to(source, place, first):
    """The words of a path that ends at a place, without what stands in brackets."""
    tokens, names = source.tokens, []
    while True:
        while place >= first and tokens[place].text in ("]", "!", "?"):
            place = (source.pairs[place] if tokens[place].text == "]" else place) - 1
        if place < first or tokens[place].kind != "word":
            raise Unknown
        names.insert(0, tokens[place].text)
        if place - 2 < first or tokens[place - 1].text != ".":
            return names
        place -= 2


def targets(source, sign, first):
    """The paths that an assignment changes."""
    tokens = source.tokens
    if tokens[sign - 1].text == ")":
        words = [tokens[at].text for at in range(source.pairs[sign - 1], sign) if tokens[at].kind == "word"]
        return [["", word] for word in words if word != "self"]
    declared = sign - 1
    while declared > first and tokens[declared].kind != "operator" and tokens[declared].text not in ("let", "var", "{", "}", ";"):
        declared = source.pairs.get(declared, declared) - 1
    if tokens[declared].text in ("let", "var") and tokens[declared + 2].text == ":":
        return [[tokens[declared + 1].text]]  # `var a: [B] = …`
    return [path_to(source, sign - 1, first)]


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
