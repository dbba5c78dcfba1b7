"""Many mutants in one program: each body that has some asks which one is on.

A build takes little longer for a hundred mutants than for one. What can't be built so is left to be built alone.
"""

import os
import re
import shutil
from collections import defaultdict
from dataclasses import dataclass

from mutator import configuration, swift
from mutator.tree import BuildFailed


class Program:
    """- path: of the bundle.
    - numbers: of the mutants that are in it, by their marks.
    """

    def __init__(self, path, numbers):
        self.path, self.numbers = path, numbers


@dataclass(frozen=True)
class Place:
    """The lines of a mutant, and those of its body with all its mutants; both ends included."""

    mark: str
    first: int
    last: int
    body: tuple


def build(tree, sites):
    """The program that holds as many of these as can be built in one."""
    numbers = {site.mark: number for number, site in enumerate(sites, 1)}
    bad = set()
    try:
        while True:
            # Between two attempts only what is left out changes: all else need not be compiled again.
            places = write(tree, sites, bad, numbers)
            placed = {place.mark for of_file in places.values() for place in of_file}
            if not placed:
                return Program(None, {})
            fine, output = tree.compile()
            if fine:
                program = tree.folder / configuration.TOGETHER
                shutil.copyfile(tree.bundle, program)
                program.chmod(0o755)
                return Program(program, {mark: number for mark, number in numbers.items() if mark in placed})
            found = guilty(errors_in(output), places, tree.folder)
            if not found:
                raise BuildFailed(f"mutants don't build in one program, for a reason that none of them has: {output[-3000:]}")
            bad |= found
    finally:
        tree.restore()


def guilty(errors, places, folder):
    """The mutants in whose lines an error is; if it is in none's, all of the body; if in no body, all of the file."""
    bad = set()
    for path, line in errors:
        of_file = places.get(os.path.relpath(path, folder), [])
        own = {place.mark for place in of_file if place.first <= line <= place.last}
        # An initializer that leaves something out is told of where its brace closes, behind the body.
        of_body = {place.mark for place in of_file if place.body[0] <= line <= place.body[1] + 1}
        bad |= own or of_body or {place.mark for place in of_file}
    return bad


def write(tree, sites, bad, numbers):
    """Puts the mutants into the copy, without the bad ones. Gives their places by file."""
    by_file = defaultdict(list)
    for site in sites:
        by_file[site.path] += [] if site.mark in bad else [site]
    places = {}
    for path, of_file in by_file.items():
        text, places[path] = switched(tree.original(path), of_file, numbers)
        tree.change(path, text)
    return places


def switched(text, sites, numbers):
    """A source with each body as it is and as each of its mutants has it; and their places.

    What stands in no body, like what a property begins with, is left out.
    """
    by_body = defaultdict(list)
    bodies = outermost(text)
    for site in sites:
        body = next((body for body in bodies if body[0] <= site.start and site.end <= body[1]), None)
        if body:
            by_body[body].append(site)
    out, places, at = "", [], 0
    for start, end in sorted(by_body):
        out += text[at:start]
        top, lines = line_of(out), []
        for site in by_body[start, end]:
            out += f"if isOn(mutant: {numbers[site.mark]}) {{\n"
            first = line_of(out)
            out += site.applied(text)[start : end + len(site.text) - (site.end - site.start)]
            lines.append((site.mark, first, line_of(out)))
            out += "\n} else "
        out += "{\n" + text[start:end] + "\n}"
        places += [Place(*place, (top, line_of(out))) for place in lines]
        at = end
    return out + text[at:], places


def line_of(text):
    return text.count("\n") + 1


def outermost(text):
    """The insides of bodies that are in no other: (start, end) in the text."""
    source = swift.read(text)
    found = [
        (source.tokens[block.statements[0].first].start, source.tokens[block.statements[-1].last].end)
        for block in source.blocks
        if block.is_body and block.statements
    ]
    bodies = []
    for start, end in sorted(found, key=lambda body: (body[0], -body[1])):
        if not bodies or start >= bodies[-1][1]:
            bodies.append((start, end))
    return bodies


def errors_in(output):
    """(path, line) of each error that the compiler tells."""
    found = re.findall(r"^(/\S+?\.swift):(\d+):\d+: error: ", output, re.MULTILINE)
    return [(path, int(line)) for path, line in dict.fromkeys(found)]
