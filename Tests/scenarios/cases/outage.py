"""Kafka stopped under load: every POST answers 202 until the spool is full, then 503 with Retry-After; Kafka back, all drains by itself.

A round is ten seconds of outage after the spool was full.
"""

import time

from rig import ledger
from rig.support import until

ROUNDS = {"ci": 2, "long": 30}
LIMIT = 64 << 20


def run(rig):
    kafka = rig.kafka()
    kafka.create("events", 6)
    node = rig.node(kafka, spool={"max_size": f"{LIMIT >> 20}MiB", "segment": "4MiB"}).start()
    load = rig.load(node, batch=50, connections=16, pause=10)
    load.reach("events flow", lambda counts: counts["events"] > 5000)
    before = load.counts()["events"]
    kafka.stop()
    load.reach("the spool is full", lambda counts: counts["refused"] > 200, timeout=180)
    held = (load.counts()["events"] - before) * 200
    rig.check("it took in what the spool can hold before it refused", held > LIMIT / 3, f"{held >> 20} MiB of {LIMIT >> 20}")
    rig.say(f"full with {held >> 20} MiB of payload; the outage goes on")
    for _ in range(rig.rounds):
        refused = load.counts()["refused"]
        time.sleep(10)  # the outage itself
        rig.check("it goes on refusing, alive", node.running() and load.counts()["refused"] > refused)
    kafka.start()
    accepted = load.counts()["events"]
    until("it accepts again by itself", lambda: load.counts()["events"] > accepted + 5000, 90)
    counts = load.stop()
    statuses = {name.removeprefix("status ") for name in counts if name.startswith("status ")}
    rig.check("202 and 503 are the only answers", statuses == {"202", "503"}, statuses)
    rig.check("every 503 carries Retry-After", counts["without retry-after"] == 0, counts["without retry-after"])
    rig.check("accepted counts are right", counts["miscounted"] == 0)
    requests = ledger.read(load.ledger).values()
    rig.check("every refusal says why", all(r.answer.get("code") for r in requests if r.outcome == ledger.REFUSED))
    verdict = rig.judge([load], kafka, node, copies=1)
    rig.check("it was never restarted, and ends in peace", node.starts == 1 and node.terminate() == 0)
    rig.note(f"{verdict}, {held >> 20} MiB held in an outage")
