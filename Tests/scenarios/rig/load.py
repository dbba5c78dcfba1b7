"""The load generator: a process of its own on plain sockets, one request in flight a connection, everything in its ledger.

A connection owns its keys, so the order of a key is the order of its requests. An answer that did not come in time retires them (the request
may still be stored, later than the next one); a connection that broke does not (it is the case worth checking). `pause` waits after an answer,
`every` sends by the clock (both in ms); `spread` posts to so many topics in turn, topic-0, topic-1 and so on.
"""

import argparse
import asyncio
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from . import ledger
from .support import ROOT, spawn, until

TYPES = {
    "raw": "application/octet-stream",
    "ndjson": "application/x-ndjson",
    "array": "application/json",
    "envelope": "application/vnd.forebay.v1+x-ndjson",
}

ODD = "aZ0 é漢🙂~"  # of one to four bytes


class Load:
    """The handle of a running generator. `requests` numbers start at `first`, so that several can be judged together."""

    made = itertools.count()

    def __init__(self, folder, node, topic, **options):
        self.node, self.topic = node, topic
        number = next(self.made)
        self.ledger, self.counts_file = Path(folder) / f"ledger-{number}", Path(folder) / f"counts-{number}"
        options = {"first": number * 100_000_000, "seed": number} | options
        arguments = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
        self.process = spawn(
            [sys.executable, "-m", "rig.load", f"--port={node.port}", f"--topic={topic}", f"--ledger={self.ledger}",
             f"--counts={self.counts_file}", *arguments],
            Path(folder) / f"load-{number}.log", cwd=ROOT / "Tests/scenarios")

    def counts(self):
        """So far: requests by outcome and by status, events acknowledged, the slowest answer in ms, refusals without Retry-After."""
        try:
            return Counter(json.loads(self.counts_file.read_text()))
        except FileNotFoundError:
            return Counter()

    def reach(self, what, condition, timeout=60):
        """Polls until `condition(counts)`; a node that ended meanwhile is a failure at once."""
        until(what, lambda: (not self.node.starts or self.node.alive()) and condition(self.counts()), timeout)

    def wait(self, timeout=600):
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        if code:
            raise RuntimeError(f"the load generator ended with {code}")
        return self.counts()

    def finish(self, timeout=60):
        """Waits until all is sent; a node that ended meanwhile is a failure at once."""
        self.reach("all is sent", lambda counts: self.process.poll() is not None, timeout)
        return self.wait()

    def stop(self):
        """Lets the requests in flight end, and gives the final counts."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.wait(120)


class Generator:
    def __init__(self, options):
        self.options = options
        self.book = ledger.Ledger(options.ledger)
        self.numbers = itertools.count(options.first)
        self.counts = Counter()
        self.stopping = False
        self.events_left = options.events

    async def run(self):
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        if self.options.seconds:
            loop.call_later(self.options.seconds, self._stop)
        connections = [asyncio.create_task(Connection(self, c).run()) for c in range(self.options.connections)]
        reporting = asyncio.create_task(self._report())
        await asyncio.gather(*connections)
        reporting.cancel()
        self.book.close()
        self._write_counts()

    def _stop(self):
        self.stopping = True

    def take(self):
        """How many events the next request carries; 0 when the work is done."""
        if self.stopping or self.events_left == 0:
            return 0
        count = self.options.batch if self.events_left is None else min(self.options.batch, self.events_left)
        if self.events_left is not None:
            self.events_left -= count
        return count

    def settle(self, request, outcome, answer, status, milliseconds, retry_after):
        self.book.done(request, outcome, status=status, ms=round(milliseconds, 2), retry_after=retry_after, at=round(time.time(), 3),
                       **{k: answer[k] for k in ("id", "last_id", "code", "accepted") if k in answer})
        self.counts[outcome] += 1
        self.counts[f"status {status}"] += 1
        if outcome == ledger.OK:
            self.counts["events"] += request.count
            self.counts["slowest"] = max(self.counts["slowest"], int(milliseconds))
            self.counts["miscounted"] += answer.get("accepted") != request.count
        if status in (429, 503) and outcome == ledger.REFUSED:
            self.counts["without retry-after"] += not (retry_after or "").isdigit()

    async def _report(self):
        while True:
            await asyncio.sleep(0.1)
            self._write_counts()

    def _write_counts(self):
        draft = Path(f"{self.options.counts}.new")
        draft.write_text(json.dumps(self.counts))
        os.replace(draft, self.options.counts)


class Connection:
    def __init__(self, generator, number):
        self.generator, self.options, self.number = generator, generator.options, number
        self.random = random.Random(f"{generator.options.seed}/{number}")
        self.generation = 0
        self.reader = self.writer = None
        self.due = time.monotonic()
        self.turn = number * generator.options.spread // generator.options.connections
        self._new_keys()

    def _new_keys(self):
        base = f"{self.options.first // 100_000_000}.{self.number}.{self.generation}"
        self.keys = [f"{base}.{k}" for k in range(self.options.keys)]
        if self.options.odd_keys:
            # With a mark behind the number, or a key could be another one, with more behind it.
            self.keys = [f"{key}:" + "".join(self.random.choices(ODD, k=self.random.randrange(24))) for key in self.keys]
        self.reached = [0] * len(self.keys)
        self.generation += 1

    async def run(self):
        while count := self.generator.take():
            if self.options.every:
                await self._next_beat()
            if not await self._connect():
                return
            request = self._next(count)
            self.generator.book.sent(request)
            began = time.monotonic()
            try:
                answer = await asyncio.wait_for(self._exchange(request), self.options.timeout)
            except (OSError, asyncio.IncompleteReadError, asyncio.TimeoutError, ValueError) as error:
                self._close()
                if isinstance(error, asyncio.TimeoutError):
                    self._new_keys()
                self.generator.settle(request, ledger.UNKNOWN, {}, type(error).__name__, (time.monotonic() - began) * 1000, None)
                continue
            status, headers, body = answer
            outcome = judge(status, body)
            self.generator.settle(request, outcome, body, status, (time.monotonic() - began) * 1000, headers.get("retry-after"))
            if headers.get("connection", "").lower() == "close":
                self._close()
            if outcome != ledger.OK:
                await asyncio.sleep(0.05)
            elif self.options.pause:
                await asyncio.sleep(self.options.pause / 1000)
        self._close()

    async def _next_beat(self):
        """By the clock, so that slow answers don't slow the pace. More than a second behind is not made up for."""
        now = time.monotonic()
        self.due = max(self.due + self.options.every / 1000, now - 1)
        await asyncio.sleep(max(0, self.due - now))

    async def _connect(self):
        while not self.writer:
            if self.generator.stopping:
                return False
            try:
                self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.options.port, limit=1 << 20)
            except OSError:
                await asyncio.sleep(0.02)
        return True

    def _close(self):
        if self.writer:
            self.writer.close()
        self.reader = self.writer = None

    def _next(self, count):
        """A batch takes the keys in turn, from the first one on; a lone event takes one at random."""
        topic = self.options.topic
        if self.options.spread:
            topic = f"{topic}-{self.turn % self.options.spread}"
            self.turn += 1
        if count == 1:
            index = self.random.randrange(len(self.keys))
            request = ledger.Request(next(self.generator.numbers), topic, [self.keys[index]], [self.reached[index]], 1)
            self.reached[index] += 1
            return request
        request = ledger.Request(next(self.generator.numbers), topic, self.keys, list(self.reached), count)
        for index in range(count):
            self.reached[index % len(self.keys)] += 1
        return request

    async def _exchange(self, request):
        style = self.options.style
        if style == "mixed":
            style = "raw" if request.count == 1 else self.random.choice(("ndjson", "array", "envelope"))
        values = [ledger.payload(request, index, self.options.size) for index in range(request.count)]
        extra = f"Forebay-Key: {request.keys[0]}\r\n" if style == "raw" else ""
        if style == "array":
            body = b"[" + b",".join(values) + b"]"
        elif style == "envelope":
            body = b"\n".join(b'{"key":"%s","value":%s}' % (request.key(i).encode(), v) for i, v in enumerate(values))
        else:
            body = b"\n".join(values)
        self.writer.write(f"POST /v1/topics/{request.topic}{self.options.query} HTTP/1.1\r\nHost: forebay\r\nContent-Type: {TYPES[style]}\r\n{extra}"
                          f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
        await self.writer.drain()
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
        text = await self.reader.readexactly(int(headers.get("content-length", 0)))
        body = json.loads(text) if text else {}
        return int(head[0].split()[1]), headers, body


def judge(status, body):
    """What the contract says an answer means for the events: stored, not stored, or nobody knows."""
    if status in (200, 202) or body.get("code") == "refused_by_kafka":  # Which is stored, and in the dead letters.
        return ledger.OK
    if status in (429, 503) and body.get("code") != "outcome_unknown" or 400 <= status < 500 or status in (501, 505):
        return ledger.REFUSED
    return ledger.UNKNOWN


def main():
    parser = argparse.ArgumentParser()
    for name, kind, default in (("port", int, None), ("topic", str, None), ("ledger", str, None), ("counts", str, None), ("query", str, ""),
                                ("connections", int, 16), ("batch", int, 1), ("keys", int, 4), ("size", int, 200), ("first", int, 0),
                                ("seed", str, "0"), ("style", str, "mixed"), ("events", int, None), ("seconds", float, None),
                                ("odd-keys", int, 0), ("pause", float, 0), ("every", float, 0), ("spread", int, 0),
                                ("timeout", float, 30)):
        parser.add_argument(f"--{name}", type=kind, default=default)
    asyncio.run(Generator(parser.parse_args()).run())


if __name__ == "__main__":
    main()
