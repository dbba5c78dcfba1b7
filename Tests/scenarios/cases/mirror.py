"""A backup that is killed, frozen or lacks the topic costs the main cluster nothing; back, it gets all in order. A mirror comes late, goes, returns.

Seven routes, most with a mirror. The main cluster's rate is measured at a steady pace and in draining a backlog, beside a sound backup and beside
one that is away, by turns. Then under load, by restarts: one route gets a mirror, two lose theirs while it has a backlog, of which one is put back
and one given up, one route is renamed. A round is one backlog for each measurement, and a second at a pace.
"""

import json
import statistics
import time

from rig import records
from rig.rates import Rates
from rig.support import until

ROUNDS = {"ci": 2, "long": 12}
LEAST = 0.95  # of the rate
MEASURED = ("orders", "plain")  # the second has no mirror, and shares all else
LATER = ("added", "held", "given", "renamed")  # what becomes of their mirrors
# So many partitions of the mirrored topic that their windows together are more than what a frozen backup may hold of what is in flight.
PARTITIONS, KEYS = 48, 40
BACKLOG, SIZE = 15_000, 1600
LIGHT = {"batch": 10, "connections": 2, "pause": 20}


def run(rig):
    clusters = {name: rig.kafka(settings={"auto.create.topics.enable": "false"}) for name in ("main", "backup")}
    for cluster in clusters.values():
        for topic in (*MEASURED, *LATER, "idle"):
            cluster.create(topic, PARTITIONS if topic == "orders" else 6)
    # Room for what a mirror that is away is measured with, and little more: it must come to fill it.
    node = rig.node(clusters, spool={"max_size": f"{64 + 150 * rig.rounds}MiB", "segment": "4MiB"}, delivery={"set_aside": {"retry": "1s"}},
                    topics={topic: {"key": "$.k"} for topic in (*MEASURED, *LATER, "idle")})
    trial = Trial(rig, node, **clusters)
    trial.routes(mirrored=("orders", "idle", "held", "given", "renamed"))
    node.start()
    trial.load("idle", events=500, batch=20).wait()
    kept = away(trial)
    later(trial)
    for load in trial.loads:
        load.stop()
    verdict = trial.judge()
    rig.check("nothing went to the dead letters", not node.dead_letters())
    rig.check("it ends in peace", node.terminate() == 0)
    rig.note(f"{kept}; in the backup {verdict}")


class Trial:
    """The node, its routes and their loads; what is known of the mirrors."""

    def __init__(self, rig, node, main, backup):
        self.rig, self.node, self.main, self.backup, self.loads, self.gone, self.since = rig, node, main, backup, [], [], {}

    def routes(self, mirrored, **names):
        """All, with mirrors for these; `names`: of those that are not called as their topic is."""
        self.node.configuration["routes"] = {
            names.get(topic, topic): {"topics": [topic], "forward": {"to": "main"}}
            | ({"mirror": {"to": "backup"}} if topic in mirrored else {}) | ({"formerly": [topic]} if topic in names else {})
            for topic in self.node.configuration["topics"]}

    def restart(self, *new, **routes):
        """With these routes. `new`: those whose mirror has none of what was accepted until now."""
        self.rig.check("it ends in peace", self.node.terminate() == 0)
        self.since |= dict.fromkeys(new, time.time())
        self.routes(**routes)
        self.node.start()

    def load(self, topic, **options):
        self.loads.append(load := self.rig.load(self.node, topic, **({"seed": f"{self.rig.seed}/{len(self.loads)}"} | options)))
        return load

    def flows(self):
        """Where nothing holds up a forward, all that is accepted until now arrives in the main cluster."""
        for load in self.loads:
            if load.process.poll() is None:
                load.reach("events flow", lambda counts, now=load.counts()["events"]: counts["events"] > now + 200)
        until("the main cluster has it", lambda: self.node.metric("forebay_delivery_lag_events", stage="forward") < 100, 30)

    def waits(self, stage):
        return self.node.metric("forebay_delivery_lag_events", stage=stage)

    def forebay(self, *words, says=(), code=0):
        done = self.node.command(*words, "--url", f"http://127.0.0.1:{self.node.admin_port}")
        self.rig.check(f"{' '.join(words)} ends with {code}", done.returncode == code, done)
        self.rig.check(f"{' '.join(words)} says {says}", all(word in done.stdout + done.stderr for word in says), done.stdout + done.stderr)
        return done.stdout

    def judge(self):
        """All in the main cluster, and of each mirror what was accepted while there was one. Gives the verdict over most mirrors."""
        self.rig.drain(self.node)
        # Each start may repeat what was in flight; so may each time that a cluster was away.
        options = {"copies": 3 * self.node.starts}
        self.rig.judge(self.loads, self.main, topics=self.node.configuration["topics"], **options)
        for topic, since in self.since.items():
            loads = [load for load in self.loads if load.topic == topic]
            found = self.rig.judge(loads, self.backup, topics=[topic], since=since, **options)
            early = sum(load.counts()["events"] for load in loads) - found.acknowledged
            self.rig.check(f"{topic} was sent events before its mirror began, and after", early > 0 < found.acknowledged, (early, str(found)))
        whole = [topic for topic in ("orders", "idle", *LATER) if topic not in self.since]
        rest = [load for load in self.loads if load.topic in whole]
        return self.rig.judge(rest, self.backup, topics=whole, gone=self.gone, **options)


# The backup is away


def away(trial):
    """Each fault in turn; says how much of its rate the main cluster kept."""
    rig, node = trial.rig, trial.node
    rates = Rates(rig, trial.main, node, MEASURED, BACKLOG, size=SIZE, keys=KEYS)
    seconds = 1 + rig.rounds
    rates.drained_in("a sound backup, to warm up")
    paced = rates.paced("a sound backup", seconds)
    kept, sound = {"pace": [], "backlog": []}, []
    for name, (begin, end, told) in FAULTS.items():
        until("the backup has all", lambda: trial.waits("mirror") == 0, 60)
        sound += [rates.drained_in("a sound backup") for _ in range(rig.rounds)]
        until("the backup has all", lambda: trial.waits("mirror") == 0, 60)
        trial.loads, rates.loads = trial.loads + rates.loads, []
        begin(trial)
        kept["pace"].append(rates.paced(f"a backup that is {name}", seconds) / paced)
        kept["backlog"].append(share(rates, f"a backup that is {name}", statistics.median(sound), rig.rounds))
        told(trial)
        end(trial)
        began = time.monotonic()
        until("the backup has all", lambda: trial.waits("mirror") == 0, 120, every=0.2)
        rig.say(f"{name}: drained {time.monotonic() - began:.1f} s after it was back; kept {kept['pace'][-1]:.2f} of the rate at a pace, "
                f"{kept['backlog'][-1]:.2f} with a backlog")
        rig.check("nothing of it is set aside", not node.units(), list(node.units()))
    trial.loads += rates.loads
    rig.check("the main cluster keeps its rate", min(kept["pace"] + kept["backlog"]) >= LEAST, kept)
    return f"{min(kept['pace']):.2f} of the rate at a pace, {min(kept['backlog']):.2f} with a backlog"


def share(rates, what, sound, rounds):
    """How much of its rate is left beside that. A backlog takes a fraction of a second: where some are slow by chance, more of them tell."""
    took = [rates.drained_in(what) for _ in range(rounds)]
    while sound / statistics.median(took) < LEAST and len(took) < 3 * rounds:
        took.append(rates.drained_in(what))
    return sound / statistics.median(took)


def away_as_a_whole(trial):
    """Status, metrics, and what fills the disk: the mirror, by its name, and nothing else."""
    rig, node = trial.rig, trial.node
    row = until("status says that the mirror waits, and why",
                lambda: (row := node.delivery("orders", "mirror"))["state"] == "waiting" and row["last_error"] and row, 30)
    rig.check("with its cluster, and how much", row["cluster"] == "backup" and row["lag_events"] >= BACKLOG, row)
    rig.check("nothing is set aside where all is away", row["set_aside_events"] == 0, row)
    for route in node.configuration["routes"]:
        forward = node.delivery(route)
        rig.check(f"the forward of {route} has nothing to wait for", forward["lag_events"] == 0 and forward["state"] == "idle", forward)
    idle = node.delivery("idle", "mirror")
    rig.check("a mirror without events waits for nothing", idle["lag_events"] == 0, idle)
    rig.check("a route without a mirror has no such row", node.delivery("plain", "mirror") is None)
    rig.check("so say the metrics", node.metric("forebay_delivery_lag_events", stage="mirror", route="orders") == row["lag_events"]
              and node.metric("forebay_delivery_lag_events", stage="mirror", route="idle") == 0
              and node.metric("forebay_delivery_lag_events", stage="mirror", route="plain") is None
              and node.metric("forebay_delivery_lag_events", stage="forward", route="orders") == 0)
    rig.check("the backup is down, the main cluster up", node.metric("forebay_target_up", stage="mirror", route="orders") == 0
              and node.metric("forebay_target_up", stage="forward", route="orders") == 1)
    filling = trial.load("orders", size=SIZE, batch=500, connections=4)
    filling.reach("the buffer is filling", lambda _: node.status()["buffer"]["fill"] > 0.72)
    filling.stop()
    culprit = node.status()["culprit"] or {}
    rig.check("status names who fills it", [culprit.get(part) for part in ("route", "stage", "cluster")] == ["orders", "mirror", "backup"], culprit)
    trial.forebay("status", says=["mirror of route orders"])


def in_its_hands(trial):
    """A frozen cluster keeps what it was sent; what the forward needs of the same memory is left to it."""
    row = trial.node.delivery("orders", "mirror")
    trial.rig.say(f"the frozen backup holds {row['in_flight_bytes'] >> 10} KiB in flight")
    trial.rig.check("the frozen backup holds much in flight", row["in_flight_bytes"] > 4 << 20, row)


def without_topic(trial):
    """The mirror's topic is set aside, as the mirror's; what was on its way to a partition of it is by that partition."""
    rig, node = trial.rig, trial.node
    units = node.units()
    of = {(unit["topic"], name.partition("@")[2]) for name, unit in units.items()}
    rig.check("the mirror's topic is set aside, and nothing else", of == {("orders", "mirror")} and "orders@mirror" in units, list(units))
    codes = {unit["code"] for unit in units.values()}
    rig.check("because it is missing", codes == {"UNKNOWN_TOPIC_OR_PART"}, codes)
    row, aside = node.delivery("orders", "mirror"), sum(unit["events"] for unit in units.values())
    rig.check("status says so, of all that it was sent", row["set_aside_events"] == aside >= BACKLOG and row["lag_events"] == 0, row)
    rig.check("so say the metrics", node.metric("forebay_set_aside_events", stage="mirror", route="orders") == row["set_aside_events"]
              and node.metric("forebay_set_aside_events", stage="forward") == 0)
    trial.forebay("setaside", "ls", says=["orders", "mirror", "UNKNOWN_TOPIC_OR_PART"])


def delete(trial):
    """What Kafka deletes is not lost by us: it was read before."""
    held = list(records.read(trial.backup.bootstrap(), "orders"))
    trial.rig.check("all that it holds was read", len(held) == sum(records.ends(trial.backup.bootstrap(), "orders").values()))
    trial.gone += held
    trial.backup.delete("orders")


FAULTS = {
    "killed": (lambda trial: trial.backup.kill(), lambda trial: trial.backup.start(), away_as_a_whole),
    "frozen": (lambda trial: trial.backup.freeze(), lambda trial: trial.backup.thaw(), in_its_hands),
    "without the topic": (delete, lambda trial: trial.backup.create("orders", PARTITIONS), without_topic),
}


# A mirror comes, goes and returns


def later(trial):
    rig, node = trial.rig, trial.node
    trial.load("held", events=2000, batch=20).wait()
    until("the backup has some of one that will be held", lambda: trial.waits("mirror") == 0, 30)
    trial.backup.kill()
    trial.load("given", events=20_000, size=SIZE, batch=100).wait()
    for topic in LATER:
        trial.load(topic, **LIGHT)
    trial.flows()
    left = {topic: node.delivery(topic, "mirror")["lag_events"] for topic in ("held", "given", "renamed")}
    rig.check("the mirrors have backlogs", min(left.values()) > 100, left)

    trial.restart("added", mirrored=("orders", "idle", "added", "renamed"), renamed="moved")
    for topic in ("held", "given"):
        row = node.delivery(topic, "mirror")
        rig.check(f"the mirror of {topic} is shown as removed", row and row["state"] == "removed" and row["lag_events"] >= left[topic], row)
        rig.check("so say the metrics", node.metric("forebay_delivery_lag_events", stage="mirror", route=topic) >= left[topic])
        told = node.logged("a mirror is no longer configured, and its route is; what it has not delivered is kept for it, also what comes, and "
                           "holds disk space: add it back, name its route under formerly of the route that took its place, or give it up by "
                           f"'forebay routes forget {topic}/mirror'")
        rig.check("so says the log", [entry["level"] for entry in told] == ["error"], told)
    taken = node.delivery("moved", "mirror")
    rig.check("the renamed route's mirror has what waited", taken["lag_events"] >= left["renamed"] and not node.delivery("renamed", "mirror"), taken)
    trial.flows()
    trial.backup.start()
    until("those that are there drain", lambda: max(node.lag(route, "mirror") for route in ("orders", "idle", "added", "moved")) < 100, 60)
    held = {row["route"]: row for row in holdings(node) if row["stage"] == "mirror" and row["state"] == "removed"}
    kept = all(row["spool_bytes"] > 4 << 20 for row in held.values())
    rig.check("what waits of the removed ones is kept", set(held) == {"held", "given"} and kept, held)

    trial.restart(mirrored=("orders", "idle", "added", "renamed", "held"), renamed="moved")
    until("the one that is put back drains", lambda: node.lag("held", "mirror") < 100, 60)
    forget(trial)
    trial.flows()

    trial.restart("given", mirrored=("orders", "idle", "added", "renamed", "held", "given"), renamed="moved")
    trial.flows()
    row = node.delivery("given", "mirror")
    rig.check("one that was given up begins at the end", row["lag_events"] < 20_000 and row["cluster"] == "backup", row)


def forget(trial):
    """By command, and only the mirror: its route goes on."""
    rig, node = trial.rig, trial.node
    trial.forebay("routes", "forget", "given", code=1, says=["given/mirror"])
    before = node.metric("forebay_buffer_bytes")
    trial.forebay("routes", "forget", "given/mirror", "--dry-run", says=["given"])
    rig.check("a dry run frees nothing", node.metric("forebay_buffer_bytes") >= before)
    trial.forebay("routes", "forget", "given/mirror", says=["given"])
    until("its room is free again", lambda: node.metric("forebay_buffer_bytes") < before - (8 << 20) or node.alive() and None, 30)
    rig.check("status shows it no more", node.delivery("given", "mirror") is None and node.delivery("given")["state"] != "removed")
    rig.check("nor do the routes", not [row for row in holdings(node) if (row["route"], row["stage"]) == ("given", "mirror")])


def holdings(node):
    return json.loads(node.get("/admin/v1/routes")[1])["routes"]
