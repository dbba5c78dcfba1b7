"""The functions and computed properties of a module: what a call of one may do stands in its body."""

from collections import defaultdict
from dataclasses import dataclass

from mutator.swift import TYPES, Source

OTHER_DECLARATIONS = {"func", "var", "let", "init", "subscript", "case", "associatedtype"}
OBSERVERS = {"willSet", "didSet"}
ENDS = {"{", "=", ")", "]", "}"}  # Of a property's type.


@dataclass(eq=False)
class Body:
    """What stands between the braces of one: the tokens `first` to `last`."""

    source: Source
    first: int
    last: int


class Module:
    """- functions: the bodies of all that a type has under a name, by both; properties: of computed ones.
    - requirements: names of properties that may have a body elsewhere, or run something when they are set; and functions that may.
    - cases: names of enumerations' cases that hold values.
    """

    def __init__(self, sources):
        self.functions, self.properties = defaultdict(list), defaultdict(list)
        self.requirements, self.cases, self.types = set(), set(), {}
        for source in sources:
            self.types[id(source)] = types_in(source)
            tokens = source.tokens
            for place, token in enumerate(tokens[:-2]):
                if token.text == "func":
                    self.function(source, place + 1)
                elif token.text == "var" and tokens[place + 2].text == ":":
                    self.property(source, place + 1)
                elif token.text == "case" and tokens[place + 2].text == "(":
                    self.cases.add(tokens[place + 1].text)

    def type_at(self, source, place):
        """The innermost type around a place, or that it extends."""
        around = [(first, name) for first, last, name in self.types[id(source)] if first < place < last]
        return max(around)[1] if around else ""

    def function(self, source, place):
        ends = {"{", "}"} | OTHER_DECLARATIONS
        brace = next((at for at in source.outer(place + 1, len(source.tokens) - 1) if source.tokens[at].text in ends), None)
        key = self.type_at(source, place), source.tokens[place].text
        if brace is not None and source.tokens[brace].text == "{":
            self.functions[key].append(body_at(source, brace))
        else:
            self.requirements.add(key)

    def property(self, source, place):
        tokens, name = source.tokens, source.tokens[place].text
        brace = place + 2
        while brace < len(tokens) and tokens[brace].line == tokens[place].line and tokens[brace].text not in ENDS:
            brace = source.pairs.get(brace, brace) + 1
        if brace >= len(tokens) or tokens[brace].line != tokens[place].line or tokens[brace].text != "{":
            return  # Stored.
        inside = [token.text for token in tokens[brace + 1 : source.pairs[brace]]]
        if inside in (["get"], ["get", "set"]) or OBSERVERS & set(inside):
            self.requirements.add(name)
        else:
            self.properties[self.type_at(source, place), name].append(body_at(source, brace))

    def function_of(self, source, place):
        """The bodies of a function that is called of `self` or of a type; none if it is not known."""
        key = self.member(source, place)
        return None if key in self.requirements else self.functions.get(key)

    def property_of(self, source, place):
        return self.properties.get(self.member(source, place), [])

    def member(self, source, place):
        owner = source.tokens[place - 2].text
        return self.type_at(source, place) if owner in ("self", "Self") else owner, source.tokens[place].text

    def properties_named(self, name):
        return [body for (_, other), bodies in self.properties.items() if other == name for body in bodies]


def body_at(source, brace):
    return Body(source, brace + 1, source.pairs[brace] - 1)


def types_in(source):
    """(first, last, name) of each type's braces."""
    tokens, found = source.tokens, []
    for place, token in enumerate(tokens[:-2]):
        if token.text in TYPES and token.kind == "word" and tokens[place + 1].kind == "word" and tokens[place - 1].text != ".":
            brace = next((at for at in source.outer(place + 1, len(tokens) - 1) if tokens[at].text == "{"), None)
            if brace is not None:
                name = tokens[place + 1].text
                while tokens[place + 2].text == "." and place + 3 < brace:  # `extension A.B`
                    place, name = place + 2, tokens[place + 3].text
                found.append((brace, source.pairs[brace], name))
    return found
