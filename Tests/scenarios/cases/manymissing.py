"""A thousand topics are missing at once: memory and open files stay bounded, the sound ones keep their rate; created, all arrives in order.

A round is a hundred topics.
"""

import time

from rig import records
from rig.support import until
from rig.watch import Arrivals, OpenFiles, Resident

ROUNDS = {"ci": 3, "long": 10}
SOUND = ("sound-a", "sound-b")
PACE = {"connections": 4, "batch": 25, "every": 50}
MEMORY, FILES, WINDOW = 150 << 20, 150, 8


def run(rig):
    kafka = rig.kafka(settings={"auto.create.topics.enable": "false"})
    for topic in SOUND:
        kafka.create(topic, 3)
    many = rig.rounds * 100
    missing = [f"missing-{number}" for number in range(many)]
    lanes = [(topic, partition) for topic in SOUND for partition in range(3)]
    arrivals = Arrivals(kafka.bootstrap(), lanes)
    rig.closing.append(arrivals.close)
    node = rig.node(kafka, topics={topic: {"key": "$.k"} for topic in SOUND}).start()
    with Resident(node) as memory, OpenFiles(node) as files:
        loads = [rig.load(node, topic, **PACE) for topic in SOUND]
        before = rate(rig, arrivals, "sound ones alone", loads)
        loads.append(rig.load(node, "missing", spread=many, style="envelope", connections=4, batch=5, every=10))
        until(f"{many} topics are set aside", lambda: node.metric("forebay_set_aside_units") == many, 120, every=0.2)
        after = rate(rig, arrivals, f"beside {many} missing topics", loads)
        rig.check("the sound ones keep their rate", after >= 0.9 * before, (after, before))
        held = node.metric("forebay_set_aside_events")
        kafka.create_all(missing)
        created = time.monotonic()
        until("all go direct again", lambda: node.metric("forebay_set_aside_units") == 0, 240, every=0.5)
        rig.say(f"all go direct {time.monotonic() - created:.1f} s after the last was created")
        for load in loads:
            load.stop()
        rig.drain(node)
    rig.say(f"{memory.largest >> 20} MiB and {files.largest} open files at most, {held:,.0f} events were set aside")
    rig.check("memory is bounded", memory.largest <= MEMORY, f"{memory.largest >> 20} MiB")
    rig.check("open files are bounded", files.largest <= FILES, files.largest)
    verdict = rig.judge(loads, kafka, node, topics=(*SOUND, *missing), copies=4)
    rig.check("each topic got some", all(records.ends(kafka.bootstrap(), topic)[0] for topic in rig.random.sample(missing, 10)))
    rig.check("nothing went to the dead letters", not node.dead_letters())
    rig.check("it ends in peace", node.terminate() == 0)
    rig.note(f"{many} topics, {after / before:.2f} of the rate, {memory.largest >> 20} MiB, {files.largest} open files, {verdict}")


def rate(rig, arrivals, what, loads):
    for load in loads:
        load.reach("events flow", lambda counts, now=load.counts()["events"]: counts["events"] > now + 1000)
    began = time.monotonic()
    time.sleep(WINDOW)  # what is measured
    found = arrivals.rate(arrivals.seen, began, began + WINDOW)
    longest = max(arrivals.silence(lane, began, began + WINDOW) for lane in arrivals.seen)
    rig.say(f"{what}: {found:,.0f} events/s, longest silence {longest:.1f} s")
    return found
