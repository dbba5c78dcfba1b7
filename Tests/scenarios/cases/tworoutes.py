"""Two routes; the topic of one is missing, or forbidden: the other flows at full rate, and what waited goes out once the topic is there.

Rate is measured by draining the same backlog to the sound topic alone, then beside the one that cannot be delivered.
"""

import time

from rig.kafka import USER
from rig.support import until

ROUNDS = {"ci": 3, "long": 9}  # A drain takes under a second: one comparison is noise, so the median of several counts.
EVENTS = 300_000


def run(rig):
    kafka = rig.kafka(sasl=True, settings={"auto.create.topics.enable": "false"})
    for topic in ("sound", "forbidden"):
        kafka.create(topic, 6)
    kafka.deny(USER, "forbidden")
    loads = {name: [] for name in ("sound", "missing", "forbidden")}
    node = rig.node(kafka, routes={name: {"topics": [name], "forward": {"to": "main"}} for name in loads},
                    topics={name: {"key": "$.k"} for name in loads})
    drained_in(rig, node, kafka, loads, {"sound": EVENTS})  # warm
    ratios = []
    for _ in range(rig.rounds):
        alone = drained_in(rig, node, kafka, loads, {"sound": EVENTS})
        beside = drained_in(rig, node, kafka, loads, {"sound": EVENTS, "missing": 20_000, "forbidden": 20_000})
        ratios.append(alone / beside)
        rig.say(f"{EVENTS / alone:,.0f} events/s alone, {EVENTS / beside:,.0f} beside the dead routes")
    rig.check("the other flows at full rate", sorted(ratios)[len(ratios) // 2] > 0.7, ratios)
    for route in ("missing", "forbidden"):
        rig.check(f"{route} waits", (node.metric("forebay_delivery_lag_events", route=route) or 0) >= 20_000)
    kafka.create("missing", 6)
    kafka.allow(USER, "forbidden")
    verdict = rig.judge([load for several in loads.values() for load in several], kafka, node, topics=list(loads), copies=1 + 2 * rig.rounds)
    rig.check("nothing went to the dead letters", not node.dead_letters())
    rig.check("it ends in peace", node.terminate() == 0)
    rig.note(f"{min(ratios):.2f} to {max(ratios):.2f} of the rate alone, {verdict}")


def drained_in(rig, node, kafka, loads, amounts):
    """Seconds that the sound route takes for its backlog, built while Kafka is frozen."""
    kafka.freeze()
    if not node.running():
        node.start()
    for topic, events in amounts.items():
        loads[topic].append(load := rig.load(node, topic, events=events, batch=500, connections=8))
        load.wait()
    kafka.thaw()
    began = time.monotonic()
    until("the sound route is drained", lambda: node.metric("forebay_delivery_lag_events", route="sound") == 0, 120)
    return time.monotonic() - began
