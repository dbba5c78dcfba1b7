"""A frozen broker and a poison event: once the frozen partitions are set aside, the poison silences the healthy ones for 5 s at most.

Only the poison is dead. A round is one poison after the frozen partitions were set aside, and one at the very moment that a broker freezes: then
the producer has both to mend at once, and 10 s pass before a partition without progress is set aside.
"""

import time

from rig.support import until
from rig.watch import Arrivals

ROUNDS = {"ci": 1, "long": 8}
QUIET, AFTER = 5, 10  # seconds: the longest silence, and what it takes until a partition without progress is set aside


def run(rig):
    kafka = rig.kafka(brokers=3, settings={"broker.session.timeout.ms": 3000, "broker.heartbeat.interval.ms": 500})
    kafka.warm()
    kafka.create("events", assignment=[[1], [2], [3]] * 2, message_timestamp_after_max_ms=3_600_000)
    arrivals = Arrivals(kafka.bootstrap(), [("events", partition) for partition in range(6)])
    rig.closing.append(arrivals.close)
    node = rig.node(kafka, limits={"timestamp": "any"}, delivery={"set_aside": {"partition_after": f"{AFTER}s", "retry": "2s"}}).start()
    load = rig.load(node, connections=4, batch=60, keys=30, every=50)
    trial = Trial(rig, kafka, node, arrivals)
    longest, coinciding = [], []
    for _ in range(rig.rounds):
        longest.append(trial.poisoned(at_once=False))
        coinciding.append(trial.poisoned(at_once=True))
    rig.check(f"silent for at most {QUIET} s after a poison", max(longest) <= QUIET, longest)
    rig.check(f"and at most {AFTER + 2 * QUIET} s when it comes with the freeze", max(coinciding) <= AFTER + 2 * QUIET, coinciding)
    load.stop()
    verdict = rig.judge([load], kafka, node, copies=1 + 8 * rig.rounds)
    letters = node.dead_letters()
    found = [(x["code"], x["value"][:40]) for x in letters]
    rig.check("the poison alone is dead", sorted(x["value"] for x in letters) == sorted(trial.dead), found)
    rig.check("all others arrived", verdict.acknowledged == verdict.delivered)
    rig.check("it ends in peace", node.terminate() == 0)
    rig.note(f"silent for {max(longest):.1f} s at most after a poison, {max(coinciding):.1f} s when it came with the freeze, {verdict}")


class Trial:
    def __init__(self, rig, kafka, node, arrivals):
        self.rig, self.kafka, self.node, self.arrivals, self.dead = rig, kafka, node, arrivals, []

    def poisoned(self, at_once):
        """The longest silence of a healthy partition between the poison and five seconds after all is quiet again."""
        now = time.monotonic()
        until("every partition moves", lambda: all(self.arrivals.rate([lane], now, time.monotonic()) for lane in self.arrivals.seen), 60)
        victim = self.rig.random.choice(list(self.kafka.nodes))
        healthy = [lane for lane in self.arrivals.seen if lane[1] % 3 != victim - 1]
        frozen = {f"events/{partition}" for partition in (victim - 1, victim + 2)}
        self.kafka.freeze(victim)
        if not at_once:
            until("the frozen partitions are set aside", lambda: set(self.node.units()) == frozen, 60)
        began = time.monotonic()
        self._poison(self.arrivals.keys[self.rig.random.choice(healthy)])
        until("the poison is dead", lambda: len(self.node.dead_letters()) == len(self.dead), 60)
        until("the frozen partitions alone are set aside", lambda: set(self.node.units()) == frozen, 60)
        dead = time.monotonic()
        until("five seconds of quiet are over", lambda: time.monotonic() > dead + 5)
        silence = max(self.arrivals.silence(lane, began, dead + 5) for lane in healthy)
        self.rig.say(f"poison {'with the freeze of' if at_once else 'beside frozen'} broker {victim}: dead after {dead - began:.1f} s, "
                     f"the healthy partitions silent for {silence:.1f} s at most")
        self.kafka.thaw(victim)
        until("all go direct again", lambda: not self.node.units(), 60)
        return silence

    def _poison(self, key):
        """An impossible timestamp under the key of an event that a healthy partition got, so that it goes there too."""
        value = f"in the far future {len(self.dead)}".encode().ljust(200, b".")
        future = int((time.time() + 10 * 86400) * 1000)
        status, answer = self.node.post("events", value, Forebay_Timestamp=future, Forebay_Key=key.decode())
        self.rig.check("the poison is accepted", status == 202, answer)
        self.dead.append(value)
