"""A broker is killed, then one frozen: within 15 s what others lead flows on at its rate; all of its own arrives once it is back.

Of three brokers each leads one partition of a topic that nobody else holds, and one of a topic that all hold. A round is one broker killed and
one frozen, drawn by the seed. Silence is seen by a consumer that reads along.
"""

import time

from rig.support import Failure, until
from rig.watch import Arrivals

ROUNDS = {"ci": 1, "long": 8}
QUIET, WINDOW = 15, 8
TOPICS = ("single", "triple")
PACE = {"connections": 4, "batch": 60, "keys": 30, "every": 50}  # 4,800 events a second and topic


def run(rig):
    # How long Kafka itself takes to see that a broker is gone is not under test: by default 9 s, as often as the controller goes with it. Nor
    # is how long brokers wait for a frozen controller, by default 30 s, before they ask another one for ids for new producers.
    kafka = rig.kafka(brokers=3, settings={"broker.session.timeout.ms": 3000, "broker.heartbeat.interval.ms": 500,
                                           "controller.socket.timeout.ms": 2000})
    kafka.warm()
    kafka.create("single", assignment=[[1], [2], [3]])
    kafka.create("triple", assignment=[[1, 2, 3], [2, 3, 1], [3, 1, 2]])
    lanes = [(topic, partition) for topic in TOPICS for partition in range(3)]
    arrivals = Arrivals(kafka.bootstrap(), lanes)
    rig.closing.append(arrivals.close)
    node = rig.node(kafka, topics={topic: {"key": "$.k"} for topic in TOPICS}).start()
    loads = [rig.load(node, topic, **PACE) for topic in TOPICS]
    worst = 0
    for _ in range(rig.rounds):
        for how, hit, mend in (("killed", kafka.kill, kafka.start), ("frozen", kafka.freeze, kafka.thaw)):
            until("everything flows at its pace", lambda: paced(arrivals, lanes), 90, every=0.5)
            victim = rig.random.choice(list(kafka.nodes))
            led = [lane for lane, leader in kafka.leaders(TOPICS).items() if leader != victim]
            began = time.monotonic()
            hit(victim)
            worst = max(worst, holds(rig, node, arrivals, victim, how, began, led))
            orphan = f"single/{victim - 1}"
            until(f"{orphan} is set aside", lambda: orphan in node.units(), 30)
            mend(victim)
            mended = time.monotonic()
            until("all go direct again", lambda: not node.units(), 120, every=0.2)
            rig.say(f"all go direct {time.monotonic() - mended:.1f} s after broker {victim} was back")
    counts = [load.stop() for load in loads]
    rig.check("every POST was answered 202", all(not set(c) & {"refused", "unknown"} for c in counts), counts)
    verdict = rig.judge(loads, kafka, node, topics=TOPICS, copies=1 + 4 * rig.rounds)
    rig.check("nothing went to the dead letters", not node.dead_letters())
    rig.check("it ends in peace", node.terminate() == 0)
    rig.note(f"{rig.rounds} killed and {rig.rounds} frozen, silent for {worst:.1f} s at most, {verdict}")


def paced(arrivals, lanes):
    """Whether all that is sent has arrived for a while, evenly: neither still starting nor catching up, which is no measure for what follows."""
    now = time.monotonic()
    offered = len(TOPICS) * PACE["connections"] * PACE["batch"] * 1000 / PACE["every"]
    steady = all(arrivals.silence(lane, now - WINDOW, now) < 1 for lane in lanes)
    return steady and 0.9 < arrivals.rate(lanes, now - WINDOW, now) / offered < 1.1


def holds(rig, node, arrivals, victim, how, began, led):
    """The longest silence of a partition that another broker leads, which must end in time; then its rate."""
    counted = []
    for end in (began + QUIET, began + QUIET + WINDOW):
        until("the time is over", lambda end=end: time.monotonic() > end, QUIET + WINDOW + 1)
        counted.append([node.metric("forebay_delivery_events_total", way="direct", topic=topic) for topic in TOPICS])
    silences = {lane: arrivals.silence(lane, began, began + QUIET + WINDOW) for lane in arrivals.seen}
    others = [lane for lane in arrivals.seen if lane not in led]
    said = ", ".join(f"{topic}/{partition} {silences[topic, partition]:.1f} s" for topic, partition in (*led, *others))
    rig.say(f"broker {victim} {how}; longest silences: {said} (the last {len(others)} were its own)")
    longest = max(silences[lane] for lane in led)
    try:
        rig.check(f"with a broker {how}, what others lead flows again within {QUIET} s", longest <= QUIET, said)
        for topic in TOPICS:
            lanes = [lane for lane in led if lane[0] == topic]
            before, after = arrivals.rate(lanes, began - WINDOW, began), arrivals.rate(lanes, began + QUIET, began + QUIET + WINDOW)
            rig.say(f"{topic}: {after:,.0f} events/s, {before:,.0f} before")
            rig.check(f"with a broker {how}, what others lead of {topic} keeps its rate", after >= 0.9 * before, (after, before))
    except Failure:
        tell(rig, arrivals, began, counted)
        raise
    return longest


def tell(rig, arrivals, began, counted):
    """What tells whether the node stood still, or the consumer that reads along."""
    for lane in arrivals.seen:
        seconds = [arrivals.rate([lane], began + at, began + at + 1) for at in range(-2, QUIET + WINDOW)]
        rig.say(f"{lane[0]}/{lane[1]} by seconds: {' '.join(f'{rate:.0f}' for rate in seconds)}")
    rig.say(f"delivered after {QUIET} s and {WINDOW} s later, by the node's own count of {', '.join(TOPICS)}: {counted}")
