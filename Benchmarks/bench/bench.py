"""The run: its folder, its tools, and the ways to drive load."""

import json
import os
import random
import re
import shutil
import statistics
import subprocess
import time
from pathlib import Path

from rig.kafka import Kafka
from rig.node import Node
from rig.support import Failure, Skip, until
from rig.watch import Resident, Watch

from . import HERE, ROOT

EVENT = 200
LINES = 1000  # of an NDJSON body
NOWHERE = {"bootstrap.servers": "127.0.0.1:9"}  # the discard port: nobody listens


class Bench:
    def __init__(self, pairs, seconds, seed):
        self.pairs, self.seconds, self.random = pairs, seconds, random.Random(seed)
        self.folder = ROOT / f".build/bench/run-{os.getpid()}"
        self.folder.mkdir(parents=True)
        self.closing, self.results, self.skipped = [], {}, []
        self.single, self.lines = self.folder / "single", self.folder / "lines"
        self.single.write_bytes(b'{"n":1,"text":"'.ljust(EVENT - 2, b"x") + b'"}')
        self.lines.write_bytes(b"\n".join(self.line(n) for n in range(LINES)) + b"\n")

    @staticmethod
    def line(number):
        """200 bytes of JSON with one of a thousand keys of eight bytes."""
        return f'{{"k":"k{number:07d}","text":"'.encode().ljust(EVENT - 2, b"x") + b'"}'

    def say(self, text):
        print(f"  {text}", flush=True)

    def tool(self, source, *flags):
        """Compiles a C program once; gives its path."""
        source = Path(source)
        made = ROOT / ".build/bench" / source.stem
        if not made.exists() or made.stat().st_mtime < source.stat().st_mtime:
            subprocess.run(["cc", "-O2", "-D_GNU_SOURCE", str(source), *flags, "-o", str(made)], check=True)
        return made

    def own_tool(self, name):
        return self.tool(HERE / f"tools/{name}.c")

    # What is measured

    def kafka(self, **options):
        kafka = Kafka(self.folder / f"kafka-{len(self.closing)}", **options)
        self.closing.append(kafka.close)
        return kafka.start()

    def node(self, name, properties, producer=None, clusters=None, **options):
        """One cluster, `main`, with the client's properties and the producer's own; `clusters`: others beside it."""
        options.setdefault("spool", {"max_size": "50GiB"})
        options.setdefault("topics", {"bench": {"key": "$.k"}})
        node = Node(self.folder / name, {"main": properties} | (clusters or {}), **options)
        if producer:
            node.configuration["clusters"]["main"]["producer"] = producer
        self.closing.append(node.close)
        return node

    def close(self):
        for close in reversed(self.closing):
            close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def end(self, *things):
        """Ends and forgets what one measure started, its folders with it."""
        for thing in things:
            thing.close()
            shutil.rmtree(thing.folder, ignore_errors=True)

    # Load

    def wrk(self, port, connections, seconds=None, batch=False, varied=False, topic="bench"):
        """Requests per second of a closed loop; an answer other than 2xx or a broken connection is a failure."""
        body, kind = (self.lines, "application/x-ndjson") if batch else (self.single, "application/octet-stream")
        done = subprocess.run(
            ["wrk", "-t1", f"-c{connections}", f"-d{seconds or self.seconds}s", "--timeout", "20s", "-s", str(HERE / "post.lua"),
             f"http://127.0.0.1:{port}/v1/topics/{topic}", "--", str(body), kind, *(["varied"] if varied else [])],
            capture_output=True, text=True)
        rate = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
        if done.returncode or not rate or "Non-2xx" in done.stdout or "Socket errors" in done.stdout:
            raise Failure(f"wrk: {done.stdout}{done.stderr}")
        return float(rate[1])

    def pace(self, port, connections, rate, seconds, batch=False, topic="bench"):
        """An open loop at a fixed rate of requests: latencies in ms as a dictionary."""
        body, headers = (self.lines, ["Content-Type: application/x-ndjson"]) if batch else (self.single, [])
        done = subprocess.run(
            [str(part) for part in (self.own_tool("pace"), port, f"/v1/topics/{topic}", connections, rate, seconds, body, *headers)],
            capture_output=True, text=True)
        if done.returncode:
            raise Failure(f"pace: {done.stdout}{done.stderr}")
        return json.loads(done.stdout)

    def side_by_side(self, runs, rounds=None):
        """Runs each of {name: function} once a round in random order; {name: [figures]} by round."""
        found = {name: [] for name in runs}
        for _ in range(rounds or self.pairs):
            for name in self.random.sample(list(runs), len(runs)):
                found[name].append(runs[name]())
        return found


def median_ratio(ours, theirs):
    """The median of the ratios of pairs."""
    return statistics.median(a / b for a, b in zip(ours, theirs))


class Lags(Watch):
    """How many events were accepted and not settled."""

    every = 0.2

    def look(self):
        return self.node.metric("forebay_delivery_lag_events")

    def mean(self, start, end):
        """Over a part of the time, in shares of it."""
        return statistics.fmean(self.seen[int(len(self.seen) * start):int(len(self.seen) * end)])


def drained(node, timeout=600):
    """Seconds until nothing is left to deliver."""
    began = time.monotonic()
    until("all is delivered", node.drained, timeout, every=0.02)
    return time.monotonic() - began


__all__ = ["Bench", "Failure", "Lags", "NOWHERE", "Resident", "Skip", "drained", "median_ratio", "until"]
