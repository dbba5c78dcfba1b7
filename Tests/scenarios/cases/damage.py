"""Files of the spool damaged, lost or strange at a start: all that is left arrives, what does not is named, no id is given twice, nothing crashes.

Each case has a node of its own with two routes: a backlog is built while Kafka is away, the node ends, something happens to its files, and it starts
with Kafka there. What is then missing must lie in the ranges that status names, and the alarm metric must have risen. A round is every case.
"""

import shutil
import time

from rig import ledger, tracing
from rig.support import Failure, until

STAGE = "spool"
ROUTES = ("first", "second")
EVENTS = 1500  # of each
SEGMENT = 256 << 10


class Damage:
    """`to`: what happens to the node's files. `after`: how it ended: killed at once, killed at rest (its mark is written), or stopped. `whole`:
    nothing may be missing. `alarm`: it must be told all the same."""

    def __init__(self, to, *, after="killed", whole=False, alarm=False, under=None):
        self.to, self.after, self.whole, self.alarm, self.under = to, after, whole, alarm, under


def run(rig):
    kafka = rig.kafka(settings={"auto.create.topics.enable": "false"})
    failed = []
    for number in range(rig.rounds):
        for name, damage in CASES.items():
            try:
                rig.say(f"{name}: {Trial(rig, kafka, f'{name}-{number}', damage).run()}")
            except Failure as failure:
                rig.say(f"{name}: FAILED, {str(failure)[:300]}")
                failed.append(f"{name} ({str(failure).splitlines()[0]})")
    rig.check("every case is survived as it should be", not failed, "; ".join(failed))
    rig.note(f"{len(CASES)} kinds of damage, {rig.rounds} times")


class Trial:
    def __init__(self, rig, kafka, name, damage):
        self.rig, self.kafka, self.name, self.damage = rig, kafka, name, damage
        self.topics = [f"{name}-{route}" for route in ROUTES]
        for topic in self.topics:
            kafka.create(topic, 3)
        self.node = rig.node(kafka, spool={"segment": f"{SEGMENT >> 10}KiB", "max_size": "64MiB"}, topics={t: {"key": "$.k"} for t in self.topics},
                             routes={route: {"topics": [t], "forward": {"to": "main"}} for route, t in zip(ROUTES, self.topics)}).away()
        self.node.configuration["shutdown"] = {"timeout": "1s"}
        self.loads = []

    def run(self):
        try:
            return self.attempt()
        finally:
            self.node.close()

    def attempt(self):
        node, damage = self.node, self.damage
        node.start()
        self.send(EVENTS)
        if damage.after == "killed":
            node.kill()
        elif damage.after == "killed at rest":
            marked = node.data / "spool/mark"
            until("it has noted how far it is", lambda now=time.time(): marked.exists() and marked.stat().st_mtime > now)
            node.kill()
        else:
            self.rig.check("it ends in peace", node.terminate() == 0)
        done = damage.to(node, self.rig.random)
        node.away(False).start(under=damage.under(done, self.rig.folder / f"trace-{self.name}") if damage.under else ())
        alarms = self.settled()
        self.send(100)  # whose ids must be no other's
        self.settled()
        missing, gaps = self.judge(), node.missing()
        self.rig.check("nothing is missing", not damage.whole or not missing, len(missing))
        self.rig.check("what is missing is named", all(any(s in gap for gap in gaps) for s in missing), (missing[:3], len(missing), gaps))
        self.rig.check("the alarm is raised", alarms or not (missing or damage.alarm), f"{len(missing)} missing")
        if missing or damage.alarm:
            self.rig.check("the log says so", any('"level":"error"' in line for line in node.log.read_text().splitlines()))
        self.rig.check("it ends in peace", node.terminate() == 0)
        return f"{done}, {len(missing)} missing" + " and named" * bool(missing) + f", {alarms:.0f} alarms"

    def send(self, events):
        """To both routes side by side, so that every segment has events of both."""
        batch = [self.rig.load(self.node, topic, events=events, batch=10, connections=2) for topic in self.topics]
        self.loads += batch
        for load in batch:
            load.finish()

    def settled(self):
        """How often it has raised the alarm when all that it still has is delivered, without a restart of any stage."""
        self.rig.drain(self.node, 20)
        stages = {stage["name"]: stage["restarts"] for stage in self.node.status()["stages"]}
        self.rig.check("no stage was restarted", not any(stages.values()), stages)
        return self.node.metric("forebay_buffer_corruption_total") or 0

    def judge(self):
        """The sequences of what was acknowledged and is not in Kafka; nothing else may be amiss."""
        checker = self.rig.examine(self.loads, self.kafka, topics=self.topics, copies=3)
        missing = sorted(ledger.sequence(checker.requests[number], index) for number, index in checker.missing())
        verdict = checker.verdict()
        others = {name: n for name, n in verdict.faults.items() if n and name != "lost"}
        self.rig.check("nothing else is amiss", not others, verdict)
        return missing


# What happens to the files

def cursor(node, route=ROUTES[1]):
    return next(path for path in (node.data / "spool/cursors").iterdir() if path.name.endswith(route))


def flip(path, position, random):
    """One bit."""
    with open(path, "r+b") as file:
        file.seek(position)
        byte = file.read(1)[0]
        file.seek(position)
        file.write(bytes([byte ^ 1 << random.randrange(8)]))


def empty_cursor(node, random):
    cursor(node).write_bytes(b"")
    return "emptied"


def garbled_cursor(node, random):
    garbled(cursor(node), random)
    return "garbage"


def lost_cursor(node, random):
    cursor(node).unlink()
    return "removed"


def lost_cursors(node, random):
    for route in ROUTES:
        cursor(node, route).unlink()
    return "both removed"


def flipped_slot(node, random):
    position = random.randrange(0, 32)
    flip(cursor(node), position, random)
    return f"a bit of byte {position}"


def flipped_slots(node, random):
    for slot in (0, 4096):
        if cursor(node).stat().st_size > slot:
            flip(cursor(node), slot + random.randrange(0, 32), random)
    return "a bit of each slot"


def garbled(path, random):
    path.write_bytes(random.randbytes(path.stat().st_size if path.exists() else 100))


def one_registry(node, random):
    garbled(node.data / "spool" / (name := random.choice(["registry", "registry.copy"])), random)
    return f"garbage in {name}"


def both_registries(node, random):
    for name in ("registry", "registry.copy"):
        garbled(node.data / "spool" / name, random)
    return "garbage in both copies"


def newest_header(node, random):
    position = random.randrange(0, 96)
    flip(node.segments()[-1], position, random)
    return f"{node.segments()[-1].name}, a bit of byte {position}"


def newest_block(node, random):
    with open(node.segments()[-1], "r+b") as file:
        file.write(bytes(4096))
    return f"{node.segments()[-1].name}, its first block zeroed"


def lost_newest(node, random):
    (path := node.segments()[-1]).unlink()
    return f"{path.name} removed"


def lost_middle(node, random):
    (path := random.choice(node.segments()[1:-1])).unlink()
    return f"{path.name} removed"


def lost_all(node, random):
    for path in node.segments():
        path.unlink()
    return "all removed"


def stray_copy(node, random):
    path = random.choice(node.segments()[:-1])
    shutil.copy(path, path.with_name(f"old-{path.name}"))
    return f"old-{path.name}"


def renamed_copy(node, random):
    """Under the number that the next segment would have, and under one far ahead."""
    path, last = random.choice(node.segments()[:-1]), node.segments()[-1]
    for number in (int(last.stem) + 1, int(last.stem) + 1000):
        shutil.copy(path, path.with_name(f"{number:020}.segment"))
    return f"{path.name} under two other numbers"


def one_sealed(node, random):
    return random.choice(node.segments()[1:-2])


def unreadable(path, trace):
    """Every read of that file fails, from the start on."""
    return tracing.strace(trace, "-e", "trace=pread64,read", "-e", "inject=pread64,read:error=EIO", "-P", path)


CASES = {
    "cursor-emptied": Damage(empty_cursor, after="stopped", whole=True, alarm=True),
    "cursor-garbled": Damage(garbled_cursor, after="stopped", whole=True, alarm=True),
    "cursor-lost": Damage(lost_cursor, after="stopped", whole=True, alarm=True),
    "cursors-lost": Damage(lost_cursors, whole=True, alarm=True),
    "cursor-slot-flipped": Damage(flipped_slot, whole=True),
    "cursor-slots-flipped": Damage(flipped_slots, whole=True, alarm=True),
    "registry-garbled": Damage(one_registry, whole=True),
    "registries-garbled": Damage(both_registries, whole=True, alarm=True),
    "newest-header-flipped": Damage(newest_header, whole=True),
    "newest-block-zeroed": Damage(newest_block),
    "newest-lost": Damage(lost_newest, after="killed at rest"),
    "middle-lost": Damage(lost_middle, after="stopped"),
    "all-lost": Damage(lost_all, after="stopped"),
    "stray-copy": Damage(stray_copy, whole=True),
    "stray-copy-of-a-sealed": Damage(stray_copy, after="stopped", whole=True),
    "stray-numbers": Damage(renamed_copy, whole=True),
    "unreadable": Damage(one_sealed, after="stopped", under=unreadable),
}
