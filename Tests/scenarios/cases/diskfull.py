"""The disk runs full, by our own backlog and by an alien file: 503 with Retry-After, no crash; room again, it accepts by itself; 0 lost.

The spool lies on an ext4 image of its own (needs root and loop devices). A round fills it once by a backlog while Kafka is away, then takes the
rest of the disk, the reserve included, by a file of somebody else.
"""

from rig.disk import fill, free, mounted
from rig.support import until

ROUNDS = {"ci": 2, "long": 100}
SIZE = 160 << 20


def run(rig):
    mount = mounted(rig, SIZE)
    kafka = rig.kafka()
    kafka.create("events", 6)
    node = rig.node(kafka, data=mount / "data", spool={"max_size": "10GiB", "segment": "4MiB"}).start()
    load = rig.load(node, batch=50, connections=16, pause=10)
    for number in range(rig.rounds):
        load.reach("events flow", lambda counts, now=load.counts()["events"]: counts["events"] > now + 2000, 90)
        kafka.stop()
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
            kafka.start()  # it must drain on a disk where nothing is free
            delivered = node.metric("forebay_delivery_events_total") or 0
            until("it delivers on a full disk", lambda: (node.metric("forebay_delivery_events_total") or 0) > delivered + 10_000, 90)
            alien.unlink()
        else:
            alien.unlink()
            kafka.start()
    load.reach("it accepts again by itself", lambda counts, now=load.counts()["events"]: counts["events"] > now + 2000, 120)
    counts = load.stop()
    statuses = {name.removeprefix("status ") for name in counts if name.startswith("status ")}
    rig.check("202 and 503 are the only answers", statuses <= {"202", "503"}, statuses)
    rig.check("every 503 carries Retry-After", counts["without retry-after"] == 0, counts["without retry-after"])
    verdict = rig.judge([load], kafka, node, copies=1)
    rig.check("it was never restarted, and ends in peace", node.starts == 1 and node.terminate() == 0)
    rig.note(f"{rig.rounds} times full, {verdict}")
