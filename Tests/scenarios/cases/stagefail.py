"""The forward stage is made to fail again and again: 0 lost, siblings untouched, no request left hanging, restarts visible in status.

strace fails every few reads of the spool (EIO), which ends the stage's input; the root makes it anew from its cursor. A round is one such
failure. All the while one client posts and another posts and waits for Kafka. (Failures injected inside the process: `swift test --filter
StageFailure`.)
"""

import re

from rig import tracing
from rig.support import spawn, until

ROUNDS = {"ci": 8, "long": 30}  # the pauses before restarts grow to half a minute


def run(rig):
    kafka = rig.kafka()
    kafka.create("events", 6)
    node = rig.node(kafka, spool={"segment": "8MiB"})
    kafka.freeze()
    node.start()
    backlog = rig.load(node, events=600_000, batch=500, connections=8)  # more than is served from memory, so that the disk is read
    backlog.wait()
    trace = rig.folder / "trace"
    every = rig.random.randrange(8, 20)
    strace = spawn([*tracing.strace(trace, "-e", "trace=pread64", "-e", f"inject=pread64:error=EIO:when={every}+{every}"), "-p", node.pid],
                   rig.folder / "strace.log")
    rig.closing.append(lambda: strace.poll() is None and strace.kill())
    until("strace watches", lambda: "TracerPid:\t0" not in open(f"/proc/{node.pid}/status").read())
    loads = [rig.load(node, batch=20, connections=4, pause=20), rig.load(node, batch=1, connections=8, pause=20, query="?ack=kafka")]
    for load in loads:
        load.reach("events flow", lambda counts: counts["events"] > 20)
    kafka.thaw()
    failures, more = fail(rig, node, kafka, trace)
    strace.terminate()
    strace.wait(20)
    counts = [load.stop() for load in loads]
    rig.check("every request was answered 2xx", all(not set(c) & {"refused", "unknown"} for c in counts), counts)
    rig.drain(node, 180)
    stages = {stage["name"]: stage["restarts"] for stage in node.status()["stages"]}
    rig.check("restarts are visible", stages["forward/default"] >= rig.rounds, stages)
    rig.check("siblings are untouched", all(n == 0 for name, n in stages.items() if name != "forward/default"), stages)
    verdict = rig.judge([backlog, *more, *loads], kafka, node, copies=1 + stages["forward/default"])
    rig.check("it ends in peace", node.terminate() == 0)
    rig.note(f"{failures} failed reads, {stages['forward/default']} restarts, {verdict}, slowest answer {max(c['slowest'] for c in counts)} ms")


def fail(rig, node, kafka, trace):
    """Until the stage was restarted often enough: how many reads failed, and the loads that it took. When it has caught up, a pause of Kafka's makes it fall behind again."""
    more = []
    while True:
        behind = node.metric("forebay_delivery_lag_events") or 0
        if restarts(node) >= rig.rounds:
            return len(re.findall(r"INJECTED", trace.read_text())), more
        if behind < 100_000:
            kafka.freeze()
            more.append(load := rig.load(node, events=200_000, batch=500, connections=8))
            load.wait()
            kafka.thaw()
        now = restarts(node)
        until("the stage fails, or has caught up", lambda now=now: restarts(node) > now or (node.metric("forebay_delivery_lag_events") or 0) < 50_000, 90)


def restarts(node):
    return next(stage["restarts"] for stage in node.status()["stages"] if stage["name"].startswith("forward/"))
