"""Killed at random instants while topics are set aside, drained, and fall back again: nothing acknowledged is lost, keys stay in order.

Under load, writing to topics is denied and allowed, and topics are deleted and created, as the seed says; a round is one kill (SIGKILL). A topic is
deleted only while it is denied, after all that it holds was read: what Kafka deletes is not lost by us.
"""

import time

from rig import records
from rig.kafka import USER
from rig.support import until

STAGE = "spool"
ROUNDS = {"ci": 10, "long": 100}
WOBBLY, PARTITIONS = ("wobbly-1", "wobbly-2", "wobbly-3"), 3


def run(rig):
    kafka = rig.kafka(sasl=True, settings={"auto.create.topics.enable": "false"})
    topics = ("steady", *WOBBLY)
    for topic in topics:
        kafka.create(topic, PARTITIONS)
    node = rig.node(kafka, topics={topic: {"key": "$.k"} for topic in topics}, spool={"segment": "4MiB"},
                    delivery={"set_aside": {"retry": "1s"}})
    loads = [rig.load(node, topic, batch=batch, connections=4, pause=20) for topic, batch in zip(topics, (20, 1, 10, 40))]
    changing = Topics(rig, kafka)
    aside = 0
    for cycle in range(rig.rounds):
        node.start(ready=cycle % 5 != 4)  # now and then it dies while it is starting
        for _ in range(rig.random.randrange(1, 4)):
            changing.change(rig.random.choice(WOBBLY))
            time.sleep(rig.random.uniform(0.02, 1.5))  # the instant of the crash, not a wait
        node.kill()
        units = [f"{name} ({unit['events']} events)" for name, unit in node.units_on_disk().items()]
        aside += bool(units)
        rig.say(f"kill {cycle}: set aside were {', '.join(units) or 'none'}; {changing}")
    rig.check("kills met units that were set aside", aside >= rig.rounds / 4, aside)
    node.start()
    changing.mend()
    until("all go direct again", lambda: not node.units(), 120, every=0.2)
    acknowledged = sum(load.stop()["events"] for load in loads)
    rig.check("the load got through", acknowledged > rig.rounds * 500, acknowledged)
    verdict = rig.judge(loads, kafka, node, topics=topics, gone=changing.gone, copies=2 * node.starts)
    rig.check("nothing went to the dead letters", not node.dead_letters())
    rig.check("it ends in peace", node.terminate() == 0)
    rig.note(f"{rig.rounds} kills, {aside} of them with units set aside, {changing.changes} changes of topics, {verdict}")


class Topics:
    """What becomes of the topics: sound, denied, missing."""

    def __init__(self, rig, kafka):
        self.rig, self.kafka, self.changes, self.gone = rig, kafka, 0, []
        self.state = dict.fromkeys(WOBBLY, "sound")

    def __str__(self):
        return ", ".join(f"{topic} {state}" for topic, state in self.state.items())

    def change(self, topic):
        self.changes += 1
        after = {"sound": ("denied",), "denied": ("sound", "missing", "missing"), "missing": ("sound",)}[self.state[topic]]
        self._turn(topic, self.rig.random.choice(after))

    def mend(self):
        for topic, state in self.state.items():
            if state != "sound":
                self._turn(topic, "sound")

    def _turn(self, topic, state):
        was, self.state[topic] = self.state[topic], state
        if state == "denied":
            self.kafka.deny(USER, topic, seen=self.rig.random.random() < 0.5)
        elif was == "missing":
            self.kafka.create(topic, PARTITIONS)
        else:
            if state == "missing":
                self._delete(topic)
            self.kafka.allow(USER, topic)

    def _delete(self, topic):
        until(f"the denial of {topic} is in force", lambda: self.kafka.denied(topic))
        held = list(records.read(self.kafka.bootstrap(), topic))
        self.rig.check("all that it holds was read", len(held) == sum(records.ends(self.kafka.bootstrap(), topic).values()))
        self.gone += held
        self.kafka.delete(topic)
