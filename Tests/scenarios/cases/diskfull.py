"""The disk runs full, by our own backlog and by an alien file: 503 with Retry-After, no crash; room again, it accepts by itself; 0 lost.

The spool lies on an ext4 image of its own (needs root and loop devices). A round fills it once by a backlog while both clusters are away, then takes
the rest of the disk, the reserve included, by a file of somebody else. Meanwhile one route is idle, one set aside, one far behind; after each round
the node is restarted with other routes, then with all again.
"""

from rig.disk import fill, free, mounted
from rig.support import until
from rig.world import World

STAGE = "spool"
ROUNDS = {"ci": 2, "long": 100}
SIZE = 160 << 20


def run(rig):
    mount = mounted(rig, SIZE)
    world = World(rig, data=mount / "data", spool={"max_size": "10GiB", "segment": "4MiB"}).begin()
    node, load = world.node, world.load("steady", batch=20, size=800, connections=16, pause=10)
    for number in range(rig.rounds):
        load.reach("events flow", lambda counts, now=load.counts()["events"]: counts["events"] > now + 2000, 90)
        starts = node.starts
        world.outage()
        refused = load.counts()["refused"]
        load.reach("the disk is full", lambda counts, refused=refused: counts["refused"] > refused + 100, 180)
        rig.check("it stays up on a full disk", node.running())
        rig.say(f"round {number}: refused with {free(mount) >> 20} MiB free")
        alien = mount / "alien"
        fill(alien)
        refused = load.counts()["refused"]
        load.reach("it goes on refusing", lambda counts, refused=refused: counts["refused"] > refused + 100)
        rig.check("it stays up when others took the rest", node.running() and node.get("/livez")[0] == 200)
        if number % 2:
            world.serve()  # it must drain on a disk where nothing is free
            delivered = {name: world.delivered(name) for name in ("steady", "behind")}
            until("every route delivers on a full disk", lambda: all(world.delivered(name) > was + 1000 for name, was in delivered.items()), 90)
            alien.unlink()
        else:
            alien.unlink()
            world.serve()
        load.reach("it accepts again by itself", lambda counts, now=load.counts()["events"]: counts["events"] > now + 2000, 120)
        rig.check("it was never restarted", node.starts == starts, node.starts)
        world.interlude()
    counts = load.stop()
    statuses = {name.removeprefix("status ") for name in counts if name.removeprefix("status ").isdigit()}
    rig.check("202 and 503 are the only answers", statuses <= {"202", "503"}, statuses)
    rig.check("every 503 carries Retry-After", counts["without retry-after"] == 0, counts["without retry-after"])
    verdict = world.end(copies=2 * node.starts)
    rig.note(f"{rig.rounds} times full, {world.changes} changes of routes, {verdict}")
