"""One run of one scenario: its folder, its seed, its children, and the judgement at the end."""

import itertools
import json
import os
import random
import shutil
import time
from pathlib import Path

from . import ledger
from .checker import Checker
from .kafka import Kafka
from .load import Load
from .node import Node
from .support import ROOT, Failure, tail, until

WINDOW = 32 << 20  # delivery.md §4: what may be in flight, all routes together


class Rig:
    def __init__(self, name, seed, rounds, keep=False):
        """`rounds`: how often to do what a scenario repeats. The folder goes at the end unless `keep` or a failure."""
        self.name, self.seed, self.rounds, self.keep = name, seed, rounds, keep
        self.random = random.Random(f"{name}/{seed}")
        base = Path(os.environ.get("SCENARIO_FOLDER", ROOT / ".build/scenarios"))
        self.folder = base / f"{name}-{os.getpid()}"
        self.folder.mkdir(parents=True)
        self.account = self.folder / "account"
        self.account.mkdir()
        self.closing, self.notes, self.nodes, self.began = [], [], [], time.monotonic()

    def say(self, text):
        print(f"  {time.monotonic() - self.began:6.1f} s  {text}", flush=True)

    def note(self, text):
        """Goes into the verdict line."""
        self.notes.append(text)
        self.say(text)

    def check(self, claim, truth, found=None):
        if not truth:
            raise Failure(claim if found is None else f"{claim}: {found}")

    # Children; all of them end with the scenario

    def kafka(self, **options):
        kafka = Kafka(self.folder / f"kafka-{len(self.closing)}", **options)
        self.closing.append(kafka.close)
        return kafka.start()

    def node(self, kafka, **options):
        """`kafka`: the cluster called main, or several by their names."""
        clusters = {name: each.client_properties() for name, each in (kafka if isinstance(kafka, dict) else {"main": kafka}).items()}
        options.setdefault("topics", {"events": {"key": "$.k"}})
        node = Node(self.folder / f"node-{len(self.closing)}", clusters, **options)
        self.closing.append(node.close)
        self.nodes.append(node)
        return node

    def load(self, node, topic="events", **options):
        load = Load(self.account, node, topic, **({"seed": self.seed} | options))
        self.closing.append(lambda: load.process.poll() is None and load.process.kill())
        return load

    def close(self, failed):
        for close in reversed(self.closing):
            close()
        for node in self.nodes if failed else ():
            print(f"  the last of {node.log}:")
            print("".join(f"    {line[:400]}\n" for line in tail(node.log).splitlines()), end="")
        if failed or self.keep:
            print(f"  left in {self.folder}")
        else:
            shutil.rmtree(self.folder)

    # Judging

    def drain(self, node, timeout=60):
        try:
            until("all that was accepted is delivered", node.drained, timeout, every=0.2)
        except Failure as failure:
            raise Failure(f"{failure}\n{json.dumps(node.status(), indent=1)}") from None

    def examine(self, loads, kafka, topics=("events",), dead=(), gone=(), since=None, **options):
        """The checker with everything in it, for scenarios that ask it more than its verdict. `kafka`: what has `records(*topics)`. `gone`: what
        topics held before they were deleted. `since`: what was answered before does not belong there (seconds since 1970)."""
        requests = ledger.read(*(load.ledger for load in loads))
        if since:
            requests = {number: request for number, request in requests.items() if request.answer.get("at", since) >= since}
        checker = Checker(requests, **({"window": WINDOW + (4 << 20)} | options))
        for record in itertools.chain(gone, kafka.records(*topics)):
            checker.see(record)
        for value in dead:
            checker.bury(value)
        return checker

    def judge(self, loads, kafka, node=None, **options):
        """Drains, reads all, and fails unless nothing is amiss."""
        if node:
            self.drain(node)
        verdict = self.examine(loads, kafka, **options).verdict()
        if not verdict.sound:
            raise Failure(str(verdict))
        self.note(str(verdict))
        return verdict
