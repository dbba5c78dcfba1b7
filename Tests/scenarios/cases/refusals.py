"""Thousands of events in a row are refused for good, for three reasons at once: the sound topics of their route keep their rate, all die in order.

A round posts a run of each kind, keyed over several partitions and without a key, and some good ones behind it, which must arrive.
"""

import collections
import json
import time

from rig.support import until
from rig.watch import Arrivals

ROUNDS = {"ci": 1, "long": 10}
SOUND = ("sound-a", "sound-b")
PACE = {"connections": 4, "batch": 25, "every": 50}
RUN, GOOD, WINDOW = 3000, 50, 8
KINDS = {  # the topic's settings; what of an event the broker refuses; what it says then
    "old": ({"message_timestamp_before_max_ms": 3_600_000}, {"timestamp": -3 * 86400_000}, "INVALID_TIMESTAMP"),
    "compacted": ({"cleanup_policy": "compact"}, {"key": None}, "INVALID_RECORD"),
    "narrow": ({"max_message_bytes": 2000}, {"size": 3000}, "MSG_SIZE_TOO_LARGE"),
}


def run(rig):
    kafka = rig.kafka(settings={"auto.create.topics.enable": "false"})
    for topic in SOUND:
        kafka.create(topic, 3)
    for topic, (settings, _, _) in KINDS.items():
        kafka.create(topic, 3, **settings)
    arrivals = Arrivals(kafka.bootstrap(), [(topic, partition) for topic in SOUND for partition in range(3)])
    rig.closing.append(arrivals.close)
    node = rig.node(kafka, topics={topic: {"key": "$.k"} for topic in SOUND}).start()
    loads = [rig.load(node, topic, **PACE) for topic in SOUND]
    before = rate(rig, arrivals, "sound ones alone", loads)
    sent, posted = collections.defaultdict(list), 0
    for number in range(rig.rounds):
        began = time.monotonic()
        for topic in KINDS:
            for part in range(0, RUN, 100):
                posted += post(rig, node, topic, number, range(part, part + 100), sent)
            post(rig, node, topic, number, range(RUN, RUN + GOOD), sent, good=True)
        after = rate(rig, arrivals, f"beside {posted} refused ones", loads, began)
        rig.check("the sound ones keep their rate", after >= 0.9 * before, (after, before))
        until("all refused ones are dead", lambda: node.metric("forebay_dead_letters") == posted, 60, every=0.1)
        rig.say(f"{RUN * len(KINDS)} dead letters in {time.monotonic() - began:.1f} s")
    rebuilds = node.metric("forebay_delivery_rebuilds_total")
    rig.check("they cost a few producers", rebuilds <= 12 * rig.rounds, rebuilds)
    for load in loads:
        load.stop()
    rig.drain(node)
    letters = node.dead_letters()
    died = collections.defaultdict(list)
    for letter in letters:
        value = json.loads(letter["value"])
        died[letter["topic"], value["lane"]].append(value["n"])
        rig.check("each says why", letter["code"] == KINDS[letter["topic"]][2], letter)
    rig.check("they died in their order", died == sent, [lane for lane in sent if died[lane] != sent[lane]])
    arrived = {topic: sum(json.loads(record.value)["n"] % (RUN + GOOD) >= RUN for record in kafka.records(topic)) for topic in KINDS}
    rig.check("what came behind them arrived", all(count >= GOOD * rig.rounds for count in arrived.values()), arrived)
    verdict = rig.judge(loads, kafka, node, topics=SOUND, copies=1 + int(rebuilds))
    rig.check("it ends in peace", node.terminate() == 0)
    rig.note(f"{posted} refused, {after / before:.2f} of the rate, {rebuilds:.0f} producers, {verdict}")


def post(rig, node, topic, number, events, sent, good=False):
    """Every fourth has no key. `sent`: the numbers of those to be refused, by topic and key."""
    _, fault, _ = KINDS[topic]
    lines = []
    for n in events:
        key = f"k{n % 7}" if good or n % 4 and "key" not in fault else None
        value = {"lane": key, "n": number * (RUN + GOOD) + n, "p": "." * (0 if good else fault.get("size", 100))}
        event = {"topic": topic, "value": value, "partition": None if key else n % 3}
        if not good:
            # Without a key or a partition of its own it may go anywhere, and has no order.
            value["lane"] = key or n % 3
            sent[topic, value["lane"]].append(value["n"])
            if "timestamp" in fault:
                event["timestamp"] = int(time.time() * 1000) + fault["timestamp"]
        lines.append(json.dumps({k: v for k, v in (event | {"key": key}).items() if v is not None}))
    status, answer = node.get("/v1/events", port=node.port, method="POST", body="\n".join(lines).encode(),
                              headers={"Content-Type": "application/vnd.forebay.v1+x-ndjson"})
    rig.check("they are accepted", status == 202, answer)
    return len(lines)


def rate(rig, arrivals, what, loads, began=None):
    if began is None:
        for load in loads:
            load.reach("events flow", lambda counts, now=load.counts()["events"]: counts["events"] > now + 1000)
        began = time.monotonic()
    time.sleep(max(0, began + WINDOW - time.monotonic()))  # what is measured
    found = arrivals.rate(arrivals.seen, began, began + WINDOW)
    longest = max(arrivals.silence(lane, began, began + WINDOW) for lane in arrivals.seen)
    rig.say(f"{what}: {found:,.0f} events/s, longest silence {longest:.1f} s")
    return found
