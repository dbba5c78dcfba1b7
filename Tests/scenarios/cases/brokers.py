"""Of three brokers one is killed and brought back, then one frozen and thawed: all POSTs answer 202, nothing lost, keys in order.

A round is one kill and one freeze, of brokers drawn by the seed.
"""

import time

ROUNDS = {"ci": 1, "long": 8}


def run(rig):
    kafka = rig.kafka(brokers=3)
    kafka.create("events", 6)
    node = rig.node(kafka).start()
    loads = [rig.load(node, batch=1, connections=8, pause=4), rig.load(node, batch=100, connections=2, pause=20, seed=rig.seed + 1)]
    for _ in range(rig.rounds):
        flows(node)
        victim = rig.random.choice(list(kafka.nodes))
        rig.say(f"broker {victim} is killed")
        kafka.kill(victim)
        flows(node, timeout=120)
        kafka.start(victim)
        flows(node, timeout=120)
        frozen = rig.random.choice(list(kafka.nodes))
        rig.say(f"broker {frozen} is frozen")
        kafka.freeze(frozen)
        time.sleep(rig.random.uniform(8, 20))  # how long it is frozen
        kafka.thaw(frozen)
        flows(node, timeout=120)
    counts = [load.stop() for load in loads]
    rig.check("every POST was answered 202", all(set(c) & {"refused", "unknown"} == set() for c in counts), counts)
    verdict = rig.judge(loads, kafka, node, copies=1 + 2 * rig.rounds)
    rig.check("it ends in peace", node.terminate() == 0)
    rig.note(f"{rig.rounds} kills and freezes, {verdict}, slowest answer {max(c['slowest'] for c in counts)} ms")


def flows(node, timeout=60):
    """Waits until a thousand more events are settled than now."""
    from rig.support import until

    now = node.metric("forebay_delivery_events_total") or 0
    until("events are delivered", lambda: (node.metric("forebay_delivery_events_total") or 0) > now + 1000, timeout, every=0.2)
