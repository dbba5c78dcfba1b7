"""Killed at random instants with five routes that all have mirrors, clusters at times away: nothing is lost in either, keys stay in order in both.

The load never stops; a round is one kill (SIGKILL), between 20 ms and 1.5 s after the start, ready or not. Before a start the cluster that most
mirrors go to is stopped, frozen or back, and now and then the one that most forwards go to is frozen, as the seed says. Before every third start the
routes are changed: removed with their mirrors, renamed, one without its mirror.
"""

import time

from rig.world import CLUSTER_OF, World

ROUNDS = {"ci": 10, "long": 50}


def run(rig):
    world = World(rig, mirrors=len(CLUSTER_OF), spool={"segment": "4MiB"}).begin()
    node = world.node
    steady = [world.load("steady", batch=1, connections=16), world.load("steady", batch=100, connections=4, pause=20)]
    node.kill()
    backup, behind = "stopped", 0
    for cycle in range(rig.rounds):
        if cycle % 3 == 2:
            world.change()
        backup = turn(world, backup)
        frozen = rig.random.random() < 0.25
        if frozen:
            world.main.freeze()
        node.start(ready=cycle % 5 != 4)  # now and then it dies while it is starting
        time.sleep(rig.random.uniform(0.02, 1.5))  # the instant of the crash, not a wait
        waiting = node.metric("forebay_delivery_lag_events", stage="mirror") or 0
        node.kill()
        behind += waiting > 1000
        rig.say(f"kill {cycle}: the backup {backup}{', the main cluster frozen' * frozen}, {waiting:,.0f} events waited for mirrors")
        world.main.thaw()
    acknowledged = sum(load.counts()["events"] for load in steady)
    rig.check("the load got through", acknowledged > rig.rounds * 10, acknowledged)
    rig.check("kills met mirrors that were behind", behind >= rig.rounds / 4, behind)
    verdict = world.end(copies=2 * node.starts + 2)
    rig.note(f"{rig.rounds} kills, {behind} of them with mirrors behind, {world.changes} changes of routes; "
             f"forwards: {verdict}; mirrors: {world.copies}")


def turn(world, state):
    """What becomes of the cluster that most mirrors go to."""
    after = world.rig.random.choice({"stopped": ("serving", "stopped"), "frozen": ("serving", "serving", "frozen"),
                                     "serving": ("serving", "frozen", "stopped")}[state])
    if after != state:
        world.other.thaw()  # a frozen one neither ends nor serves
        {"serving": world.other.start, "stopped": world.other.stop, "frozen": world.other.freeze}[after]()
    return after
