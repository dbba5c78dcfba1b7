"""Both clusters stopped under load: every POST answers 202 until the spool is full, then 503 with Retry-After; Kafka back, all drains by itself.

A round is one outage, ten seconds longer than the spool takes to be full. Every second one ends with restarts: with other routes, then
with all again. Until the clusters are back one route is idle, one set aside, and one far behind.
"""

import time

from rig import ledger
from rig.world import World

ROUNDS = {"ci": 2, "long": 30}
LIMIT = 64 << 20
SIZE = 800


def run(rig):
    world = World(rig, spool={"max_size": f"{LIMIT >> 20}MiB", "segment": "4MiB"}).begin()
    node, load = world.node, world.load("steady", batch=20, size=SIZE, connections=16, pause=10)
    for number in range(rig.rounds):
        load.reach("events flow", lambda counts, now=load.counts()["events"]: counts["events"] > now + 5000, 90)
        held = outage(rig, world, load)
        world.serve()
        load.reach("it accepts again by itself", lambda counts, now=load.counts()["events"]: counts["events"] > now + 5000, 90)
        if number % 2:
            world.outage()
            load.reach("it is full again", lambda counts, now=load.counts()["refused"]: counts["refused"] > now + 200, 180)
            world.change(keeping=["steady"])
            world.restart(ready=False)
            load.reach("it refuses, with other routes too", lambda counts, now=load.counts()["refused"]: counts["refused"] > now + 200, 60)
            world.serve()
            world.settle()
            world.put_back()
            world.restart()
            load.reach("all back, it accepts again", lambda counts, now=load.counts()["events"]: counts["events"] > now + 5000, 90)
        else:
            rig.check("it was never restarted", node.starts == 1 + 2 * (number // 2), node.starts)
    counts = load.stop()
    statuses = {name.removeprefix("status ") for name in counts if name.removeprefix("status ").isdigit()}
    rig.check("202 and 503 are the only answers", statuses == {"202", "503"}, statuses)
    rig.check("every 503 carries Retry-After", counts["without retry-after"] == 0, counts["without retry-after"])
    rig.check("accepted counts are right", counts["miscounted"] == 0)
    requests = ledger.read(load.ledger).values()
    rig.check("every refusal says why", all(r.answer.get("code") for r in requests if r.outcome == ledger.REFUSED))
    verdict = world.end(copies=2 * node.starts)
    rig.note(f"{verdict}, {held >> 20} MiB held in an outage")


def outage(rig, world, load):
    """Bytes of payload that it took in until it was full."""
    before = load.counts()["events"]
    world.outage()
    load.reach("the spool is full", lambda counts, now=load.counts()["refused"]: counts["refused"] > now + 200, 180)
    held = (load.counts()["events"] - before) * SIZE
    rig.check("it took in what the spool can hold before it refused", held > LIMIT / 3, f"{held >> 20} MiB of {LIMIT >> 20}")
    rig.say(f"full with {held >> 20} MiB of payload; the outage goes on")
    refused = load.counts()["refused"]
    time.sleep(10)  # the outage itself
    rig.check("it goes on refusing, alive", world.node.running() and load.counts()["refused"] > refused)
    return held
