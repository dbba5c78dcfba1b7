"""A missing, a hidden and a forbidden topic are set aside: the others of the route keep their rate; what waited arrives in order once it can.

The rate is that of two sound topics: at a steady pace, and, since a pace hides how much more would go, in draining a backlog; each time first
beside three more sound topics, then beside the dead ones. A round is one such backlog for each. (Hidden: the metadata says that it may not be
seen. Forbidden: it may be seen, and the broker refuses what is sent.)
"""

import json
import statistics
import time

from rig.kafka import USER
from rig.rates import PACE, Rates
from rig.support import until

ROUNDS = {"ci": 3, "long": 15}
SOUND, OTHERS, ASIDE = ("one", "two"), ("three", "four", "five"), ("missing", "hidden", "forbidden")
FORBIDDEN = ("hidden", "forbidden")
BACKLOG = 100_000  # of a sound topic; half as much of each of the others


def run(rig):
    kafka = rig.kafka(sasl=True, settings={"auto.create.topics.enable": "false"})
    for topic in (*SOUND, *OTHERS, *FORBIDDEN):
        kafka.create(topic, 6)
    for topic in FORBIDDEN:
        kafka.deny(USER, topic, seen=topic == "forbidden")
        until(f"the denial of {topic} is in force", lambda: kafka.denied(topic))
    node = rig.node(kafka, topics={topic: {"key": "$.k"} for topic in (*SOUND, *OTHERS, *ASIDE)})
    foreseen(rig, node)
    node.start()
    rates = Rates(rig, kafka, node, SOUND, BACKLOG)
    paced, alone = rated(rates, OTHERS, 6, rig.rounds + 1)
    paced_beside, beside = rated(rates, ASIDE, 6 * rig.rounds, rig.rounds)
    alone = alone[1:]  # the first one warms up
    kept = {"paced": paced_beside / paced, "backlog": statistics.median(alone) / statistics.median(beside)}
    rig.note(f"beside the dead topics {kept['paced']:.2f} of the pace, and {kept['backlog']:.2f} of "
             f"{2 * BACKLOG / statistics.median(alone):,.0f} with a backlog")
    rig.check("the others keep their rate", min(kept.values()) >= 0.9, kept)
    visible(rig, node)
    steady = [rig.load(node, topic, **PACE) for topic in ASIDE]  # so that newer ones stand behind what is aside until the end
    rates.loads += steady
    for load in steady:
        load.reach("events flow", lambda counts: counts["events"] > 500)
    kafka.create("missing", 6)
    for topic in FORBIDDEN:
        kafka.allow(USER, topic)
    began = time.monotonic()
    until("all go direct again", lambda: not node.units(), 120, every=0.2)
    rig.say(f"all go direct {time.monotonic() - began:.1f} s after they could")
    for load in steady:
        load.reach("events flow", lambda counts, now=load.counts()["events"]: counts["events"] > now + 500)
        load.stop()
    verdict = rig.judge(rates.loads, kafka, node, topics=(*SOUND, *OTHERS, *ASIDE), copies=3)
    rig.check("no more repeats than what was in flight", verdict.repeats * 200 <= 32 << 20, verdict.repeats)
    invisible(rig, node)
    rig.check("nothing went to the dead letters", not node.dead_letters())
    rig.check("it ends in peace", node.terminate() == 0)
    rig.note(f"{kept['paced']:.2f} of the rate at a pace, {kept['backlog']:.2f} with a backlog, {verdict}")


def rated(rates, others, seconds, rounds):
    """The share of a pace, and the times for backlogs, beside these topics."""
    what = ", ".join(others)
    return rates.paced(what, seconds, others), [rates.drained_in(what, dict.fromkeys(others, BACKLOG // 2)) for _ in range(rounds)]


def foreseen(rig, node):
    """A look before the start tells a topic that is not there from one that may not be seen; that one may not be written to shows only later."""
    done = node.command("validate", "--connect", "--config", node.file)
    told = [line.partition("topics of cluster main: ")[2] for line in done.stdout.splitlines() if line.startswith("warning") and "topics of" in line]
    rig.check("validate --connect warns of two topics", done.returncode == 0 and len(told) == 2, done)
    rig.check("of one that may not be seen", told[0].startswith("hidden: this client may not see them; grant Describe and Write."), told)
    rig.check("and of one that is not there", told[1].startswith("missing: not there; create them."), told)


def visible(rig, node):
    """Set aside: for programs, for people, in numbers and in the log."""
    units = node.units()
    rig.check("they are set aside, and only they", sorted(units) == sorted(ASIDE), list(units))
    for topic in ASIDE:
        code = "UNKNOWN_TOPIC_OR_PART" if topic == "missing" else "TOPIC_AUTHORIZATION_FAILED"
        unit, logged = units[topic], node.logged("set aside", unit=topic)
        rig.check(f"{topic} says why", unit["code"] == code and unit["reason"] and unit["advice"] and unit["state"] == "waiting", unit)
        rig.check(f"{topic} is a whole topic of its route", (unit["route"], unit["topic"], unit["partition"]) == ("default", topic, None), unit)
        rig.check(f"{topic} holds what it was sent", unit["events"] >= BACKLOG // 2 and unit["bytes"] > BACKLOG // 2 * 200, unit)
        rig.check(f"the log says so of {topic}, once", len(logged) == 1 and logged[0]["level"] == "warning", logged)
        told = all(logged[0].get(field) for field in ("route", "reason", "advice"))
        rig.check(f"the log says why of {topic}", logged[0]["code"] == code and told, logged)
    metric = {name: node.metric(f"forebay_set_aside_{name}", route="default") for name in METRICS}
    events = sum(unit["events"] for unit in units.values())
    rig.check("the metrics agree", metric["units"] == len(ASIDE) and metric["events"] == events == metric["events_total"], (metric, events))
    rig.check("so does the lag", node.metric("forebay_delivery_lag_events", way="aside") == events)
    rig.check("bytes and age are counted", metric["bytes"] >= events * 200 and metric["oldest_event_age_seconds"] > 5, metric)
    listed = listing(rig, node)
    rig.check("setaside ls shows them", all(topic in listed for topic in ASIDE) and "UNKNOWN_TOPIC_OR_PART" in listed, listed)
    found = [unit["unit"] for route in json.loads(listing(rig, node, "--json"))["routes"] for unit in route["units"]]
    rig.check("setaside ls --json shows them", sorted(found) == sorted(ASIDE), found)


METRICS = ("events", "bytes", "units", "oldest_event_age_seconds", "events_total")


def invisible(rig, node):
    """Gone: everywhere."""
    metric = {name: node.metric(f"forebay_set_aside_{name}", route="default") for name in METRICS}
    rig.check("the metrics are back at 0", not any(metric[name] for name in METRICS[:-1]), metric)
    rig.check("the total stays", metric["events_total"] >= len(ASIDE) * BACKLOG // 2, metric)
    drained = node.metric("forebay_delivery_events_total", way="aside")
    rig.check("all that was ever set aside was delivered from there", drained >= metric["events_total"], (drained, metric))
    listed = listing(rig, node)
    rig.check("setaside ls shows nothing", not any(topic in listed for topic in ASIDE), listed)
    rest = [unit for route in json.loads(listing(rig, node, "--json"))["routes"] for unit in route["units"]]
    rig.check("setaside ls --json shows nothing", not rest, rest)
    for topic in ASIDE:
        for message, level in (("set aside", "warning"), ("goes direct again", "info")):
            logged = node.logged(message, unit=topic)
            rig.check(f"the log says '{message}' of {topic} once", [entry["level"] for entry in logged] == [level], logged)


def listing(rig, node, *options):
    done = node.command("setaside", "ls", "--url", f"http://127.0.0.1:{node.admin_port}", *options)
    rig.check("setaside ls answers", done.returncode == 0, done)
    return done.stdout
