"""The operators: each finds where it applies in a source, and what the text becomes there."""

from dataclasses import dataclass

from mutator import configuration, order
from mutator.swift import unlabelled, without_effects

COMPARISONS = {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "==", "===": "!==", "!==": "===", "..<": "...", "...": "..<"}
ARITHMETIC = {"+": "-", "-": "+", "&+": "&-", "&-": "&+", "+=": "-=", "-=": "+=", "&+=": "&-=", "&-=": "&+="}
LOGIC = {"&&": "||", "||": "&&"}
EXTREMES = {"min": "max", "max": "min"}
NOTHING = "_ = ()"  # A statement that does nothing, also where a block must not be empty.
DROPPED_SYNCS = {"fsync", "fdatasync", "sync_file_range", "flush"}

WHOLE_BEHIND = {"=", "+=", "(", "return"}  # What stands behind these is an operand as a whole.

NAMES = {
    "compare": "`<` for `<=`, `==` for `!=`, `..<` for `...`, and the other way round",
    "order": "`>=` for `==`",
    "arithmetic": "`+` for `-`, and the other way round",
    "plus-one": "a number made one larger",
    "minus-one": "a number made one smaller",
    "min-max": "`min` for `max`, and the other way round",
    "logic": "`&&` for `||`, and the other way round",
    "bool": "`true` for `false`, and what a function answers negated",
    "negate": "a condition negated",
    "drop-guard": "a condition of a `guard` made true",
    "drop-sync": "a call that syncs left out",
    "drop-await": "a statement that waits for a call left out",
    "drop-call": "any other call left out",
    "drop-assignment": "an assignment left out",
    "swap": "two statements in a row swapped",
}


@dataclass(frozen=True)
class Change:
    """Replaces the text from `start` to `end`."""

    operator: str
    start: int
    end: int
    text: str


def changes(source):
    """All changes that the operators make of a source, in order of place."""
    found = [*of_tokens(source), *of_conditions(source), *of_statements(source)]
    return sorted(set(found), key=lambda change: (change.start, change.operator, change.end))


# Tokens


def of_tokens(source):
    tokens = source.tokens
    arid = list(arid_ranges(source))
    for place, token in enumerate(tokens):
        before = tokens[place - 1].text if place else ""
        after = tokens[place + 1].text if place + 1 < len(tokens) else ""
        if before == "func" or any(first <= place <= last for first, last in arid):
            continue

        def becomes(operator, text):
            return Change(operator, token.start, token.end, text)

        if token.kind == "operator":
            if token.is_binary or token.text in ("..<", "..."):
                if token.text in COMPARISONS and (token.text[0] != "." or is_range(tokens, place)) and not means_nothing(tokens, place):
                    yield becomes("compare", COMPARISONS[token.text])
                if token.text == "==":
                    yield becomes("order", ">=")
                if token.text in ARITHMETIC:
                    yield becomes("arithmetic", ARITHMETIC[token.text])
                if token.text in LOGIC:
                    yield becomes("logic", LOGIC[token.text])
        elif token.kind == "number" and before != "." and not is_size(tokens, place):
            value = integer(token.text)
            if value is not None:
                yield becomes("plus-one", str(value + 1))
                if value > 0:
                    yield becomes("minus-one", str(value - 1))
        elif token.kind == "word":
            if token.text in EXTREMES and after != ":" and (before == "." or after in ("(", "{")):
                yield becomes("min-max", EXTREMES[token.text])
            if token.text in ("true", "false"):
                yield becomes("bool", "false" if token.text == "true" else "true")


def means_nothing(tokens, place):
    """Whether a comparison is as good with as without what is equal."""
    return is_excess(tokens, place) or is_order_of_keys(tokens, place)


def is_order_of_keys(tokens, place):
    """`sorted { $0.key < $1.key }`: no two keys of a dictionary are the same."""
    texts = [token.text for token in tokens[place - 3 : place + 4]]
    before = [token.text for token in tokens[max(place - 8, 0) : place - 3]]
    return "sorted" in before and texts == ["$0", ".", "key", "<", "$1", ".", "key"]


def is_excess(tokens, place):
    """Whether it is the `>` of `= a > b ? a - b : 0`: where both are the same, the one is as good as the other."""
    texts = [token.text for token in tokens[max(place - 12, 0) : place + 36]]
    at = min(place, 12)
    if texts[at] != ">" or "?" not in texts[at:]:
        return False
    question = texts.index("?", at)
    other = texts[at + 1 : question]
    for length in range(1, at):
        one = texts[at - length : at]
        if texts[at - length - 1] in WHOLE_BEHIND and texts[question + 1 :][: length + len(other) + 3] == [*one, "-", *other, ":", "0"]:
            return True
    return False


def is_size(tokens, place):
    """Whether a number is half of `32 << 20`: a size that somebody chose, and one more or less of it means nothing."""
    for first in (place, place - 2):
        parts = tokens[max(first, 0) : first + 3]
        if len(parts) == 3 and parts[1].text == "<<" and parts[0].kind == parts[2].kind == "number":
            return True
    return False


def is_range(tokens, place):
    """Whether three dots have an operand on each side: `...` alone also stands for variadic parameters and one-sided ranges."""
    token, following = tokens[place], tokens[place + 1]
    left = place > 0 and (tokens[place - 1].kind in ("word", "number", "string") or tokens[place - 1].text in (")", "]"))
    right = following.kind in ("word", "number") or following.text in ("(", ".", "-")
    return left and right and token.spaced_before == token.spaced_after


def integer(text):
    try:
        return int(text.replace("_", ""), 0)
    except ValueError:
        return None


def arid_ranges(source):
    """Where calls stand that no test can miss, with what is given to them."""
    for block in source.blocks:
        for statement in block.statements:
            if statement.kind == "call" and is_arid(source, statement):
                yield statement.first, statement.last


def is_arid(source, statement):
    path = callee(source, statement)
    return path[-1:] and (path[-1] in configuration.ARID_CALLS or ".".join(path[-2:]) in configuration.ARID_CALLS)


def callee(source, statement):
    """The names of what a statement calls last: `["self", "file", "sync"]`."""
    first, _ = without_effects(source, unlabelled(source, statement.first), statement.last)
    if source.tokens[first].text == "_":
        first, _ = without_effects(source, first + 2, statement.last)
    names, called = [], []
    for place in source.outer(first, statement.last):
        token = source.tokens[place]
        if token.kind == "word":
            names.append(token.text)
        elif token.text in ("(", "{") and names:
            called = list(names)
    return called


# Conditions


def of_conditions(source):
    for block in source.blocks:
        for statement in block.statements:
            for keyword, first, last in conditions(source, statement):
                if source.tokens[first].text in ("let", "var", "case", "#") or source.tokens[first].text in ("true", "false"):
                    continue
                text, start, end = source.between(first, last), source.tokens[first].start, source.tokens[last].end
                if not is_equation(source, first, last):  # `==` for `!=` is that already.
                    yield Change("negate", start, end, f"!({text})")
                if keyword == "guard":
                    yield Change("drop-guard", start, end, "true")


def conditions(source, statement):
    """The parts of `if`, `guard`, `while` and `where`, as (keyword, first, last)."""
    tokens = source.tokens
    outer = list(source.outer(statement.first, statement.last))
    for number, place in enumerate(outer):
        token = tokens[place]
        if token.kind != "word" or token.text not in ("if", "guard", "while", "where") or (place and tokens[place - 1].text == "."):
            continue
        if token.text == "where" and tokens[statement.first].text not in ("for", "case") and statement.kind != "control":
            continue
        ends = {"guard": ("else",), "where": ("{", ":")}.get(token.text, ("{",))
        start = place + 1
        for at in outer[number + 1 :] + [None]:
            is_end = at is None or tokens[at].text in ends
            if is_end or tokens[at].text == ",":
                last = statement.last if at is None else at - 1
                if start <= last:
                    yield token.text, start, last
                start = last + 2
            if is_end:
                break


def is_equation(source, first, last):
    operators = [source.tokens[at].text for at in source.outer(first, last) if source.tokens[at].is_binary]
    return "&&" not in operators and "||" not in operators and any(text in ("==", "!=", "===", "!==") for text in operators)


# Statements


def of_statements(source):
    for block in source.blocks:
        for statement in block.statements:
            yield from dropped(source, statement)
            yield from answered(source, block, statement)
        for one, other in zip(block.statements, block.statements[1:]):
            if may_swap(source, one, other):
                yield swapped(source, one, other)


def dropped(source, statement):
    first = unlabelled(source, statement.first)
    start, end = source.tokens[first].start, source.tokens[statement.last].end
    if statement.kind == "assignment":
        yield Change("drop-assignment", start, end, NOTHING)
    if statement.kind == "call" and not is_arid(source, statement):
        called = (callee(source, statement) or [""])[-1]
        waits = any(source.tokens[at].text == "await" for at in source.outer(first, statement.last))
        syncs = called.startswith("sync") or called in DROPPED_SYNCS
        yield Change("drop-sync" if syncs else "drop-await" if waits else "drop-call", start, end, NOTHING)


def answered(source, block, statement):
    """The other answer of what answers true or false."""
    if not block.returns_bool:
        return
    tokens, first = source.tokens, statement.first
    if tokens[first].text == "return":
        first += 1
    elif not (block.is_body and len(block.statements) == 1 and statement.kind in ("call", "other")):
        return
    if first > statement.last or (first == statement.last and tokens[first].text in ("true", "false")):
        return
    if not is_equation(source, first, statement.last):
        yield Change("bool", tokens[first].start, tokens[statement.last].end, f"!({source.between(first, statement.last)})")


def may_swap(source, one, other):
    tokens = source.tokens
    for statement in (one, other):
        if statement.kind not in ("call", "assignment", "control") or is_arid(source, statement):
            return False
        if tokens[unlabelled(source, statement.first)].text in ("guard", "defer"):
            return False  # What comes after them needs them first.
    return not order.are_independent(source, one, other)


def swapped(source, one, other):
    first, second = source.between(one.first, one.last), source.between(other.first, other.last)
    start, end = source.tokens[one.first].start, source.tokens[other.last].end
    gap = source.text[source.tokens[one.last].end : source.tokens[other.first].start]
    return Change("swap", start, end, second + gap + first)
