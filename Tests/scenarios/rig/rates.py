"""How fast topics flow, by their ends in Kafka: at a steady pace, and in draining a backlog, since a pace hides how much more would go."""

import statistics
import time

from . import records
from .support import until

PACE = {"connections": 4, "batch": 25, "every": 50}  # 2,000 events a second and topic, far below the most


class Rates:
    def __init__(self, rig, kafka, node, topics, backlog, **options):
        """`topics` in `kafka` are measured; `backlog`: events of each; `options` for all loads."""
        self.rig, self.kafka, self.node, self.backlog, self.options, self.loads = rig, kafka, node, dict.fromkeys(topics, backlog), options, []
        self.ends = [records.Ends(kafka.bootstrap(), topic) for topic in topics]
        rig.closing.extend(end.close for end in self.ends)

    def arrived(self):
        return sum(end.total() for end in self.ends)

    def paced(self, what, seconds, others=()):
        """The share of what was sent that arrived, by the median of that many seconds. `what`: beside what; `others`: topics that get as much."""
        began = self.arrived()
        loads = [self.rig.load(self.node, topic, **(self.options | PACE)) for topic in (*self.backlog, *others)]
        for load in loads:
            load.reach("events flow", lambda counts: counts["events"] > 1000)
        until("they arrive", lambda: self.arrived() > began + 1000)
        samples = [(time.monotonic(), self.arrived())]
        for _ in range(seconds):
            time.sleep(1)  # what is measured
            samples.append((time.monotonic(), self.arrived()))
        rates = [(later - earlier) / (at - before) for (before, earlier), (at, later) in zip(samples, samples[1:])]
        self.rig.say(f"beside {what}: {statistics.median(rates):,.0f} events/s at a pace, {min(rates):,.0f} in the worst second")
        self._end(loads)
        sent = len(self.backlog) * PACE["connections"] * PACE["batch"] * 1000 / PACE["every"]
        return min(1.0, statistics.median(rates) / sent)  # more is what had waited

    def drained_in(self, what, others=None):
        """Seconds that the topics take for a backlog, which all of them got side by side while Kafka was frozen. `others`: topics that get one
        of so many events."""
        goal = self.arrived() + sum(self.backlog.values())
        self.kafka.freeze()
        loads = [self.rig.load(self.node, topic, events=events, **(self.options | {"batch": 500, "connections": 4}))
                 for topic, events in (self.backlog | (others or {})).items()]
        for load in loads:
            load.wait()
        self.kafka.thaw()
        began = time.monotonic()
        until("the topics are drained", lambda: self.arrived() >= goal, 120, every=0.01)
        took = time.monotonic() - began
        self.rig.say(f"beside {what}: {sum(self.backlog.values()) / took:,.0f} events/s with a backlog")
        self._end(loads)
        return took

    def _end(self, loads):
        """What is not set aside is delivered, so that the next measurement starts from nothing; of mirrors it may wait."""
        self.loads += loads
        for load in loads:
            load.stop()
        until("what is not set aside is delivered",
              lambda: self.node.metric("forebay_delivery_lag_events", stage="forward", way="direct") == 0, 60)
