"""SIGTERM under load with Kafka frozen: exit 0 within the time allowed, nothing lost; a second signal ends it at once; SIGHUP does not.

A round is one drain with Kafka alive, one with Kafka frozen, and one cut short by a second signal.
"""

import signal
import time

from rig.support import until

ROUNDS = {"ci": 1, "long": 10}
TIMEOUT = 5


def run(rig):
    kafka = rig.kafka()
    kafka.create("events", 6)
    node = rig.node(kafka)
    node.configuration["shutdown"] = {"timeout": f"{TIMEOUT}s"}
    load = rig.load(node, batch=1, connections=32)
    for _ in range(rig.rounds):
        for frozen in (False, True):
            began_load(node, load)
            if frozen:
                kafka.freeze()
                load.reach("a backlog stands", lambda counts, now=load.counts()["events"]: counts["events"] > now + 500)
            node.signal(signal.SIGHUP)
            began = time.monotonic()
            rig.check("SIGTERM ends it with 0", node.terminate(TIMEOUT + 10) == 0)
            took = time.monotonic() - began
            rig.check("it ends in the time allowed", took < TIMEOUT + 1, f"{took:.1f} s")
            rig.say(f"ended in {took:.2f} s, Kafka {'frozen' if frozen else 'alive'}")
            kafka.thaw()
        began_load(node, load)
        kafka.freeze()
        node.signal(signal.SIGTERM)
        until("the second signal ends it", lambda: impatient(node), 3)
        kafka.thaw()
    began_load(node, load)
    load.stop()
    verdict = rig.judge([load], kafka, node, copies=node.starts)
    rig.check("it ends in peace", node.terminate() == 0)
    rig.note(f"{node.starts - 1} drains, {verdict}")


def began_load(node, load):
    node.start()
    load.reach("events flow", lambda counts, now=load.counts()["events"]: counts["events"] > now + 500)


def impatient(node):
    if node.running():
        try:
            node.signal(signal.SIGTERM)
        except ProcessLookupError:
            pass
    return not node.running()
