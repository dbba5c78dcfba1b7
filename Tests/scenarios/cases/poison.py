"""What a broker refuses for good goes to the dead letters, and only that: the rest arrives in order, also in topics with small limits.

A topic that takes 100,000 B gets one message above that and one with an impossible timestamp among 5,000 small ones in each round.
"""

import time

from rig import ledger

ROUNDS = {"ci": 2, "long": 20}
LIMIT = 100_000


def run(rig):
    kafka = rig.kafka()
    kafka.create("events", 3, max_message_bytes=LIMIT, message_timestamp_after_max_ms=3_600_000)
    node = rig.node(kafka, limits={"timestamp": "any"}).start()
    loads, dead = [], []
    for number in range(rig.rounds):
        loads.append(load := rig.load(node, events=5000, batch=1, connections=16))
        load.reach("small ones flow", lambda counts: counts["events"] > rig.random.randrange(500, 2500))
        for kind, headers, size in (("too large", {}, LIMIT + 50_000), ("in the far future", {"Forebay_Timestamp": future()}, 200)):
            value = f"{kind} {number} ".encode().ljust(size, b".")
            status, answer = node.post("events", value, **headers)
            rig.check(f"the one {kind} is accepted", status == 202, answer)
            dead.append(value)
        load.wait()
    rig.drain(node)
    letters = node.dead_letters()
    rig.check("the dead letters are the poisoned ones, and only they", sorted(x["value"] for x in letters) == sorted(dead),
              [(x["code"], x["value"][:40]) for x in letters])
    rig.check("each says why", all(x["code"] and x["reason"] for x in letters), letters)
    verdict = rig.judge(loads, kafka, node, copies=1 + 2 * rig.rounds)
    rig.check("all small ones arrived", verdict.acknowledged == verdict.delivered == rig.rounds * 5000)
    rig.check("none was refused", all(r.outcome == ledger.OK for load in loads for r in ledger.read(load.ledger).values()))
    rig.check("it ends in peace", node.terminate() == 0)
    rig.note(f"{len(dead)} dead letters of {len(dead)} poisoned ({', '.join(sorted({x['code'] for x in letters}))}), {verdict}")


def future():
    return int((time.time() + 10 * 86400) * 1000)
