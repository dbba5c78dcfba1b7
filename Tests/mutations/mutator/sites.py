"""Sites: where an operator applies, each with an id that lasts."""

import difflib
import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from mutator import configuration, operators, swift
from mutator.functions import Module


@dataclass(frozen=True)
class Site:
    module: str
    path: str  # from the root of the tree
    line: int
    column: int
    operator: str
    mark: str  # stays the same when lines move, as long as the line itself is the same
    start: int
    end: int
    text: str

    @property
    def id(self):
        return f"{self.path}:{self.line}:{self.column}:{self.operator}@{self.mark}"

    def applied(self, source):
        return source[: self.start] + self.text + source[self.end :]

    def diff(self, source):
        return diff(self.path, source, self.applied(source))


def diff(path, before, after):
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), f"a/{path}", f"b/{path}", lineterm="", n=2)
    return "\n".join(lines)


def of_text(text, path, module=""):
    """The sites of one source, alone."""
    return of_source(swift.read(text), path, module)


def of_source(source, path, module):
    text, lines = source.text, source.text.split("\n")
    seen = Counter()
    found = []
    for change in operators.changes(source):
        line = text.count("\n", 0, change.start) + 1
        column = change.start - text.rfind("\n", 0, change.start)
        content = lines[line - 1]
        key = (path, change.operator, column - (len(content) - len(content.lstrip())), content.strip(), change.text)
        seen[key] += 1
        mark = hashlib.sha256(repr((*key, seen[key])).encode()).hexdigest()[:10]
        found.append(Site(module, path, line, column, change.operator, mark, change.start, change.end, change.text))
    return found


def of_tree(root, modules=configuration.MODULES):
    """The sites of all modules, by module; which must be there."""
    found = {}
    for module in modules:
        files = sorted(file for file in (Path(root) / "Sources" / module).rglob("*.swift") if file.name != configuration.SWITCH)
        if not files:
            raise SystemExit(f"Sources/{module} has no Swift files")
        sources = {}
        for file in files:
            path = str(file.relative_to(root))
            try:
                sources[path] = swift.read(file.read_text())
            except swift.Unreadable as reason:
                raise SystemExit(f"{path}: {reason}") from None
        of_module = Module(sources.values())
        for source in sources.values():
            source.module = of_module
        found[module] = [site for path, source in sources.items() for site in of_source(source, path, module)]
    return found
