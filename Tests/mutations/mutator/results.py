"""What came out: one JSON line for each mutant, in the order of trying; and the tables made of them."""

import json
import re
from collections import Counter
from pathlib import Path

from mutator import configuration

COLUMNS = ("sites", "tried", "killed", "crash/hang", "survived", "unproven", "equivalent", "invalid", "ratio")


class Results:
    def __init__(self, path):
        self.path = Path(path)

    def add(self, record):
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path, "a") as file:  # Appended in one write: shards share the file.
            file.write(json.dumps(record) + "\n")

    def read(self):
        """All records, oldest first. A line that a kill cut short is passed over."""
        if not self.path.exists():
            return []
        records = []
        for line in self.path.read_text().splitlines():
            try:
                records.append(json.loads(line))
            except ValueError:
                continue
        return records

    def latest(self, tree, judged_by):
        """The newest record of each mutant of this tree, judged by the same tests."""
        return {record["mark"]: record for record in self.read() if record["tree"] == tree and record["judged_by"] == judged_by}

    def last_seed(self):
        """Of the last run that drew; none if none did."""
        return next((record["seed"] for record in reversed(self.read()) if record["is_draw"]), None)

    def last_survivors(self):
        """The marks of what survived when it was tried last, in whatever tree: to be tried again with better tests."""
        newest = {record["mark"]: record["outcome"] for record in self.read()}
        return {mark for mark, outcome in newest.items() if outcome in ("survived", "unproven")}


def equivalents(text):
    """The marks that `docs/contributing/equivalent-mutants.md` lists, each with its proof.

    An entry begins with a heading that holds the mark in backquotes, and has a paragraph that begins with `Proof:`.
    """
    entries = {}
    for part in re.split(r"^#{2,} ", text, flags=re.MULTILINE)[1:]:
        heading, _, body = part.partition("\n")
        mark = re.search(r"`(?:[^`]*@)?([0-9a-f]{10})`", heading)
        if not mark:
            continue
        proof = re.search(r"^Proof: +(\S.*)", body, re.MULTILINE)
        if not proof:
            raise SystemExit(f"{configuration.EQUIVALENTS}: `{mark[1]}` has no proof")
        if mark[1] in entries:
            raise SystemExit(f"{configuration.EQUIVALENTS}: `{mark[1]}` is listed twice")
        entries[mark[1]] = proof[1]
    return entries


def ratio(outcomes):
    """Killed among those that count; none if none does."""
    counted = outcomes["killed"] + outcomes["survived"] + outcomes["unproven"]
    return outcomes["killed"] / counted if counted else None


def table(sites, records, equivalent):
    """Lines for people: a row for each module; and the modules with too few kills."""
    rows, short = [], []
    for module, found in sites.items():
        mine = [record for record in records if record.get("module") == module and record["operator"] != "patch"]
        outcomes = Counter(record["outcome"] for record in mine)
        violent = sum(record["outcome"] == "killed" and record["how"] != "fails" for record in mine)
        share = ratio(outcomes)
        if share is not None and share < configuration.ENOUGH:
            short.append(module)
        counted = sum(outcomes[outcome] for outcome in ("killed", "survived", "unproven"))
        excused = sum(site.mark in equivalent for site in found)
        told = "-" if share is None else f"{share:.1%}"
        outcome = [outcomes[name] for name in ("survived", "unproven")]
        rows.append((module, len(found), counted, outcomes["killed"], violent, *outcome, excused, outcomes["invalid"], told))
    rows = [("module", *COLUMNS), *rows]
    widths = [max(len(str(row[column])) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(f"{cell:{'>' if column else '<'}{widths[column]}}" for column, cell in enumerate(row)) for row in rows]
    return lines, short
