"""Killed at random instants under load, with five routes that change: nothing acknowledged is lost, requests are whole or absent, keys stay in order.

Two of the routes have mirrors (all of them: `mirrorkill`). The load never stops; forebay is killed (SIGKILL) between 20 ms and 1.5 s after it was
started, ready or not, and started again at once.
In every fourth cycle the cluster in use is frozen from the start to the kill, so that cursors lag far behind. Before every second start the routes
are changed. Every fifty cycles the cluster that is away comes back until its routes have caught up, so that a long run is bounded by no disk.
"""

import time

from rig.world import World

STAGE = "spool"
ROUNDS = {"ci": 20, "long": 200}


def run(rig):
    world = World(rig, mirrors=2, spool={"segment": "4MiB", "max_size": "8GiB"}).begin()
    node = world.node
    steady = [world.load("steady", batch=1, connections=24), world.load("steady", batch=150, connections=4, pause=20)]
    node.kill()
    for cycle in range(rig.rounds):
        if cycle % 2:
            world.change()
        if cycle % 50 == 49:
            catch_up(world)
        ready = cycle % 5 != 4  # now and then it dies while it is starting
        frozen = cycle % 4 == 3
        if frozen:
            world.main.freeze()
        node.start(ready=ready)
        time.sleep(rig.random.uniform(0.02, 1.5))  # the instant of the crash, not a wait
        node.kill()
        if frozen:
            world.main.thaw()
    acknowledged = sum(load.counts()["events"] for load in steady)
    rig.check("the load got through", acknowledged > rig.rounds * 10, acknowledged)
    verdict = world.end(copies=2 * node.starts + 2)
    rig.note(f"{rig.rounds} kills, {world.changes} changes of routes, {verdict}")


def catch_up(world):
    world.put_back()
    world.other.start()
    world.node.start()
    world.settle()
    world.other.stop()
    world.node.kill()
