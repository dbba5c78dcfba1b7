"""The load generator's own account of what it sent and what it was told, apart from the product's disk folder.

One JSON object a line. A request is written before its first byte leaves, its outcome after the answer came:

    {"sent": r, "topic": t, "keys": [k, …], "first": [n, …], "count": c}
    {"done": r, "outcome": "ok" | "refused" | "unknown", "status": s, "code": c, "id": i, "last_id": l, "ms": m, "retry_after": a, "at": t}

Event i of a request belongs to key keys[i % K] and is number first[i % K] + i // K of that key. A request without a `done` is unknown.
Every event's payload names its request and index and carries a CRC-32 of itself, so a record found in Kafka accounts for itself.
"""

import json
import os
import threading
import zlib
from dataclasses import dataclass, field

OK, REFUSED, UNKNOWN = "ok", "refused", "unknown"


@dataclass(slots=True)
class Request:
    number: int
    topic: str
    keys: list
    first: list
    count: int
    outcome: str = UNKNOWN
    answer: dict = field(default_factory=dict)

    def key(self, index):
        return self.keys[index % len(self.keys)]

    def ordinal(self, index):
        return self.first[index % len(self.keys)] + index // len(self.keys)


def sequence(request, index):
    """Where an event lies in the spool: a derived id ends in it, thirteen digits of Crockford's base 32. Those of a request of one route follow
    each other."""
    number = 0
    for digit in request.answer["id"][-13:]:
        number = number * 32 + "0123456789ABCDEFGHJKMNPQRSTVWXYZ".index(digit)
    return number + index


def payload(request, index, size):
    """The event's bytes: a JSON object of `size` bytes (or its least size), with its CRC at the end."""
    head = f'{{"r":{request.number},"i":{index},"k":"{request.key(index)}","n":{request.ordinal(index)},"x":"'.encode()
    head += b"x" * (size - len(head) - 17) + b'"'
    return b'%s,"c":"%08x"}' % (head, zlib.crc32(head))


def parse(value):
    """(request number, index) of a payload, or None when it is not one of ours or is damaged."""
    try:
        head, _, crc = value.rpartition(b',"c":"')
        if crc != b'%08x"}' % zlib.crc32(head):
            return None
        found = json.loads(value)
        return found["r"], found["i"]
    except (ValueError, KeyError, TypeError):
        return None


class Ledger:
    """Appends; a thread syncs what was appended every tenth of a second, so that the account survives what it accounts for."""

    def __init__(self, path):
        self.file = open(path, "a", buffering=1 << 16)
        self.lock, self.closing = threading.Lock(), threading.Event()
        self.syncing = threading.Thread(target=self._sync, daemon=True)
        self.syncing.start()

    def sent(self, request):
        self._write({"sent": request.number, "topic": request.topic, "keys": request.keys, "first": request.first, "count": request.count})

    def done(self, request, outcome, **answer):
        self._write({"done": request.number, "outcome": outcome, **answer})

    def _write(self, line):
        text = json.dumps(line, separators=(",", ":"))
        with self.lock:
            self.file.write(text + "\n")

    def _sync(self):
        while not self.closing.wait(0.1):
            self._flush()

    def _flush(self):
        with self.lock:
            self.file.flush()
        os.fdatasync(self.file.fileno())

    def close(self):
        self.closing.set()
        self.syncing.join()
        self._flush()
        self.file.close()


def read(*paths):
    """{number: Request} of one or more ledgers; a torn last line is a request that was never sent."""
    requests = {}
    for path in paths:
        with open(path) as lines:
            for line in lines:
                if not line.endswith("\n"):
                    break
                entry = json.loads(line)
                if "sent" in entry:
                    requests[entry["sent"]] = Request(entry["sent"], entry["topic"], entry["keys"], entry["first"], entry["count"])
                else:
                    request = requests[entry["done"]]
                    request.outcome, request.answer = entry["outcome"], entry
    return requests
