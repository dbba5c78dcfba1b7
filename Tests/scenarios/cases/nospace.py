"""No space at the wrong moment: a disk that others fill and free, a start on a full one, a roll that finds none: it refuses, delivers, goes on.

Each case has a node of its own with three routes, one of them idle, on an ext4 image of its own (needs root and loop devices) where the disk is what
runs full. A round is every case.
"""

import signal

from rig import tracing
from rig.disk import fill, free, mounted
from rig.support import Failure, until

STAGE = "spool"
ROUTES = ("first", "second", "idle")
SIZE = 96 << 20


def run(rig):
    kafka = rig.kafka(settings={"auto.create.topics.enable": "false"})
    mount = mounted(rig, SIZE)
    failed = []
    for number in range(rig.rounds):
        for case in CASES:
            name = case.__name__.replace("_", "-")
            trial = Trial(rig, kafka, mount, f"{name}-{number}")
            try:
                rig.say(f"{name}: {case(trial)}")
            except Failure as failure:
                rig.say(f"{name}: FAILED, {str(failure)[:300]}")
                failed.append(f"{name} ({str(failure).splitlines()[0]})")
            finally:
                trial.close()
    rig.check("every case is survived as it should be", not failed, "; ".join(failed))
    rig.note(f"{len(CASES)} cases, {rig.rounds} times: all arrived")


class Trial:
    def __init__(self, rig, kafka, mount, name):
        self.rig, self.kafka, self.mount, self.alien = rig, kafka, mount, mount / "alien"
        self.topics = [f"{name}-{route}" for route in ROUTES]
        for topic in self.topics:
            kafka.create(topic, 3)
        self.node = rig.node(kafka, data=mount / name, spool={"max_size": "10GiB", "segment": "4MiB"},
                             topics={t: {"key": "$.k"} for t in self.topics},
                             routes={route: {"topics": [t], "forward": {"to": "main"}} for route, t in zip(ROUTES, self.topics)}).away()
        self.node.configuration["shutdown"] = {"timeout": "1s"}
        self.loads = [rig.load(self.node, topic, batch=5, connections=2, pause=10) for topic in self.topics[:2]]

    def accepts(self, what, timeout=30):
        for load in self.loads:
            load.reach(what, lambda counts, now=load.counts()["events"]: counts["events"] > now + 200, timeout)

    def refuses(self, what):
        for load in self.loads:
            load.reach(what, lambda counts, now=load.counts()["refused"]: counts["refused"] > now + 5)

    def end(self):
        """Kafka is there: all arrives."""
        for load in self.loads:
            load.stop()
        if self.node.running():
            self.rig.check("it ends in peace", self.node.terminate() == 0)
        self.node.away(False).start()
        self.rig.judge(self.loads, self.kafka, self.node, topics=self.topics, copies=self.node.starts)
        self.rig.check("it ends in peace", self.node.terminate() == 0)

    def close(self):
        """The disk is as it was."""
        for load in self.loads:
            if load.process.poll() is None:
                load.process.kill()
                load.process.wait()
        self.node.close()
        self.alien.unlink(missing_ok=True)
        for path in sorted(self.node.data.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()


def filled_and_freed(trial):
    """Somebody else takes the disk and gives it back, Kafka away all the time: it accepts again by itself."""
    trial.node.start()
    trial.accepts("events flow")
    for _ in range(2):
        fill(trial.alien)
        trial.refuses("it refuses")
        trial.alien.unlink()
        trial.accepts("it accepts again, with Kafka away and without a restart", 10)
    trial.rig.check("it was never restarted", trial.node.starts == 1)
    trial.end()
    return "accepted again by itself"


def started_full(trial, end):
    """The disk is filled while the node is down: it starts, delivers and refuses, and accepts once there is room."""
    trial.node.start()
    trial.accepts("events flow")
    settled(trial)
    end(trial.node)
    fill(trial.alien)
    trial.node.away(False).start(ready=False)
    until("it is up on a full disk", lambda: trial.node.alive() and trial.node.get("/livez")[0] == 200, 30)
    trial.refuses("it refuses")
    for route in ROUTES:
        until(f"{route} is delivered on a full disk", lambda route=route: trial.node.lag(route) == 0, 30)
    trial.alien.unlink()
    trial.accepts("it accepts again", 10)
    trial.rig.check("it was started once more", trial.node.starts == 2)
    trial.end()
    return "delivered on a full disk"


def started_full_after_a_stop(trial):
    return started_full(trial, lambda node: trial.rig.check("it ends in peace", node.terminate() == 0))


def started_full_after_a_kill(trial):
    return started_full(trial, lambda node: node.kill())


def settled(trial):
    """What it makes ready in the background is there: the room that is left stays what it is while nothing comes in."""
    for load in trial.loads:
        load.process.send_signal(signal.SIGSTOP)
    seen = []

    def still():
        seen.append(free(trial.mount))
        return len(seen) > 20 and len(set(seen[-20:])) == 1

    until("the disk is still", still, 30)
    for load in trial.loads:
        load.process.send_signal(signal.SIGCONT)


def no_room_to_roll(trial):
    """What gives a new segment its name finds no space, four times: it refuses until that succeeds."""
    names = "rename,renameat,renameat2,link,linkat"
    trace = trial.rig.folder / f"trace-{trial.node.data.name}"
    trial.node.start()
    trial.accepts("events flow")
    with tracing.attached(trial.rig, trial.node, trace, "-e", f"trace={names}", "-e", f"inject={names}:error=ENOSPC:when=2..5"):
        trial.loads.append(big := trial.rig.load(trial.node, trial.topics[0], size=3000, batch=20, connections=4))
        until("it found no space", lambda: trial.node.alive() and trace.read_text().count("INJECTED") >= 4, 60)
        trial.accepts("it accepts again")
    big.stop()
    trial.rig.check("it was never restarted", trial.node.starts == 1 and trial.node.running())
    trial.end()
    return "no space for the name of a segment, four times"


CASES = (filled_and_freed, started_full_after_a_stop, started_full_after_a_kill, no_room_to_roll)
