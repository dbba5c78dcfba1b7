"""Killed at random instants under load: nothing acknowledged is lost, every request is whole or absent, keys stay in order.

The load never stops; forebay is killed (SIGKILL) between 20 ms and 1.5 s after it was started, ready or not, and started again at once.
In every fourth cycle Kafka is frozen from the start to the kill, so that cursors lag far behind.
"""

import time

ROUNDS = {"ci": 20, "long": 200}


def run(rig):
    kafka = rig.kafka()
    kafka.create("events", 6)
    node = rig.node(kafka, spool={"segment": "4MiB"})
    loads = [rig.load(node, batch=1, connections=24), rig.load(node, batch=150, connections=4, pause=5, seed=rig.seed + 1)]
    for cycle in range(rig.rounds):
        ready = cycle % 5 != 4  # now and then it dies while it is starting
        frozen = cycle % 4 == 3
        if frozen:
            kafka.freeze()
        node.start(ready=ready)
        time.sleep(rig.random.uniform(0.02, 1.5))  # the instant of the crash, not a wait
        node.kill()
        if frozen:
            kafka.thaw()
    node.start()
    acknowledged = sum(load.stop()["events"] for load in loads)
    rig.check("the load got through", acknowledged > rig.rounds * 10, acknowledged)
    verdict = rig.judge(loads, kafka, node, copies=node.starts)
    rig.check("it ends in peace", node.terminate() == 0)
    rig.note(f"{rig.rounds} kills, {verdict}")
