"""A sync or a write of the spool fails (strace injects EIO): no 2xx for what was not durable, the process exits, a restart mends, 0 lost.

Round by round another call fails, a sync, a write (the spool syncs by O_DSYNC) or either; the n-th, drawn by the seed; alone or together
with all that follow.
"""

import ast
import re
from pathlib import Path

from rig import ledger, tracing
from rig.support import Failure, until

STAGE = "spool"
ROUNDS = {"ci": 6, "long": 60}
FAULTS = {"pwrite64,pwritev,pwritev2": 400, "fdatasync": 20, "pwrite64,pwritev2,fdatasync,fsync": 400, "fsync,fdatasync": 20}  # up to which call

SPARE = ("prepared-", "new-", "ballast")  # files that are to be segments, and room that is kept: they may be given up instead


def run(rig):
    kafka = rig.kafka()
    kafka.create("events", 3)
    node = rig.node(kafka, spool={"segment": "4MiB"})
    busy = rig.load(node, batch=1, connections=8)
    lone = rig.load(node, batch=20, connections=1, keys=2)
    injected = []
    for number in range(rig.rounds):
        calls, most = list(FAULTS.items())[number % len(FAULTS)]
        when = f"{rig.random.randrange(most // 20, most)}{rig.random.choice(('', '+'))}"
        trace = rig.folder / f"trace-{number}"
        try:
            node.start(under=tracing.strace(trace, "-e", f"trace={calls}", "-e", f"inject={calls}:error=EIO:when={when}"), ready=False)
        except Failure:
            if not hit(trace):
                raise
            rig.say(f"{hit(trace).name} failed on {Path(hit(trace).descriptor_path).name} at the start: exit {node.process.returncode}")
            rig.check("it says by its exit code that it failed", node.process.returncode != 0)
            continue
        until(f"{calls} failed (when={when})", lambda: hit(trace) or not node.running(), 60)
        fault = hit(trace)
        if not fault:
            raise Failure(f"forebay ended before anything failed; see {node.log}")
        name = Path(fault.descriptor_path).name
        if name.startswith(SPARE):
            rig.say(f"{fault.name} failed on {name}, which holds nothing yet")
            node.kill()
            continue
        try:
            code = node.ended(15)
        except Failure:
            raise Failure(f"still running 15 s after {fault.text}") from None
        rig.check("it says by its exit code that it failed", code != 0, code)
        injected.append((fault, node.data))
        rig.say(f"{fault.name} failed on {name}: exit {code}")
    node.start()
    for load in (busy, lone):
        events = load.counts()["events"]
        load.reach("a restart mends it", lambda counts, events=events: counts["events"] > events + 100)
        load.stop()
    false = [f"{r.number} at {r.answer['at']}" for r in ledger.read(lone.ledger).values() for fault, data in injected
             if r.outcome == ledger.OK and on_the_way(r, fault) and holds_events(fault, data, r.count)]
    rig.check("no 2xx for what the failed sync was to make durable", not false, false[:5])
    verdict = rig.judge([busy, lone], kafka, node, copies=node.starts)
    rig.check("it ends in peace", node.terminate() == 0)
    rig.note(f"{len(injected)} injected failures, {verdict}")


def hit(trace):
    try:
        return next((call for call in tracing.calls(trace) if "(INJECTED)" in call.text), None)
    except FileNotFoundError:
        return None


def on_the_way(request, fault):
    """The lone client's request was out when the fault struck, and answered after it."""
    answered = request.answer["at"]
    return answered - request.answer["ms"] / 1000 < fault.began - 0.002 and fault.ended + 0.002 < answered < fault.ended + 20


def holds_events(fault, data, count):
    """A failed cursor says nothing of the events that were being synced just then, nor does a group of fewer events than the request has."""
    path = fault.descriptor_path or ""
    written = events_written(fault)
    return path.startswith(str(data)) and "cursor" not in path and not path.endswith("mark") and (written is None or written >= count)


def events_written(fault):
    """Of the frame that a failed write begins with, as strace shows its first 32 bytes; None: it was no frame."""
    shown = re.search(r'"((?:[^"\\]|\\.)*)"', fault.text.partition(">")[2])
    head = shown and ast.literal_eval(f'b"{shown[1]}"')
    return int.from_bytes(head[16:20], "little") if head and head.startswith(b"FBYF") else None
