"""A topic is set aside until the room is spent: 503 with Retry-After, the node stays up; the topic created, it recovers by itself; 0 lost.

Once by a small max_size, once on a small disk of its own (needs root and loop devices). A round is five seconds of being full, in each.
"""

import time

from rig import ledger
from rig.disk import free, mounted
from rig.support import Skip, until

STAGE = "spool"
ROUNDS = {"ci": 1, "long": 60}
LIMIT, DISK = 64 << 20, 160 << 20


def run(rig):
    kafka = rig.kafka(settings={"auto.create.topics.enable": "false"})
    told = [full(rig, kafka, "limited", LIMIT, spool={"max_size": f"{LIMIT >> 20}MiB", "segment": "4MiB"})]
    try:
        mount = mounted(rig, DISK)
        told.append(full(rig, kafka, "on a disk", free(mount), data=mount / "data", spool={"max_size": "10GiB", "segment": "4MiB"}))
    except Skip as missing:
        told.append(f"skipped on a disk, it needs {missing}")
    rig.note("; ".join(told))


def full(rig, kafka, name, room, **options):
    missing = name.replace(" ", "-")
    sound = f"sound-{missing}"
    kafka.create(sound, 6)
    node = rig.node(kafka, topics={topic: {"key": "$.k"} for topic in (sound, missing)},
                    delivery={"set_aside": {"retry": "2s"}}, **options).start()
    loads = [rig.load(node, sound, batch=50, connections=2, pause=50), rig.load(node, missing, batch=50, connections=16, pause=10)]
    refused = loads[1]
    until(f"{missing} is set aside", lambda: list(node.units()) == [missing], 30)
    refused.reach("there is no room left", lambda counts: counts["refused"] > 200, timeout=180)
    held = node.metric("forebay_set_aside_bytes")
    rig.check("most of the room is what was set aside", held > room / 2, f"{held / (1 << 20):.0f} of {room >> 20} MiB")
    rig.say(f"{name}: refused with {held / (1 << 20):.0f} of {room >> 20} MiB set aside; it stays so")
    for _ in range(rig.rounds):
        now = refused.counts()["refused"]
        time.sleep(5)  # how long it is full
        rig.check("it goes on refusing, alive", node.running() and node.get("/livez")[0] == 200 and refused.counts()["refused"] > now)
    kafka.create(missing, 6)
    for load in loads:
        load.reach("it accepts again by itself", lambda counts, now=load.counts()["events"]: counts["events"] > now + 5000, 120)
    counts = [load.stop() for load in loads]
    until("all go direct again", lambda: not node.units(), 120, every=0.2)
    statuses = {word.removeprefix("status ") for count in counts for word in count if word.startswith("status ")}
    rig.check("202 and 503 are the only answers", statuses == {"202", "503"}, statuses)
    rig.check("every 503 carries Retry-After", not any(count["without retry-after"] for count in counts), counts)
    requests = [request for load in loads for request in ledger.read(load.ledger).values()]
    rig.check("every refusal says why", all(r.answer.get("code") for r in requests if r.outcome == ledger.REFUSED))
    verdict = rig.judge(loads, kafka, node, topics=(sound, missing), copies=3)
    rig.check("nothing went to the dead letters", not node.dead_letters())
    rig.check("it was never restarted, and ends in peace", node.starts == 1 and node.terminate() == 0)
    return f"{name}: {verdict}"
