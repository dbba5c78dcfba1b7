"""SIGTERM under load with Kafka frozen: exit 0 within the time allowed, nothing lost; a second signal ends it at once; SIGHUP does not.

A round is one drain with Kafka alive, one with Kafka frozen, and one cut short by a second signal; always beside a route that is idle, one that is
set aside, and two whose cluster is away. Before each start the routes are changed.
"""

import signal
import time

from rig.support import until
from rig.world import World

STAGE = "spool"
ROUNDS = {"ci": 1, "long": 10}
TIMEOUT = 5


def run(rig):
    world = World(rig)
    node = world.node
    node.configuration["shutdown"] = {"timeout": f"{TIMEOUT}s"}
    world.begin()
    load = world.load("steady", batch=1, connections=32)
    for _ in range(rig.rounds):
        for frozen in (False, True):
            began_load(node, load)
            if frozen:
                world.main.freeze()
                load.reach("a backlog stands", lambda counts, now=load.counts()["events"]: counts["events"] > now + 500)
            node.signal(signal.SIGHUP)
            began = time.monotonic()
            rig.check("SIGTERM ends it with 0", node.terminate(TIMEOUT + 10) == 0)
            took = time.monotonic() - began
            rig.check("it ends in the time allowed", took < TIMEOUT + 1, f"{took:.1f} s")
            rig.say(f"ended in {took:.2f} s, Kafka {'frozen' if frozen else 'alive'}, with {', '.join(world.there)}")
            world.main.thaw()
            world.change(keeping=["steady"])
        began_load(node, load)
        world.main.freeze()
        node.signal(signal.SIGTERM)
        until("the second signal ends it", lambda: impatient(node), 3)
        world.main.thaw()
        world.put_back()
    began_load(node, load)
    drains = node.starts - 1
    verdict = world.end(copies=2 * node.starts + 2)
    rig.note(f"{drains} drains, {world.changes} changes of routes, {verdict}")


def began_load(node, load):
    if not node.running():
        node.start()
    load.reach("events flow", lambda counts, now=load.counts()["events"]: counts["events"] > now + 500)


def impatient(node):
    if node.running():
        try:
            node.signal(signal.SIGTERM)
        except ProcessLookupError:
            pass
    return not node.running()
