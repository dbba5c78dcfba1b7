"""Restarts with routes in every order: what waits on one is never cleared by another, shown as it is, and holds no more of the disk than it needs.

Each case has a node of its own, with Kafka away until the end, and every second one mirrors its routes, so that all waits twice. A round is every
case, once stopped in peace and once killed.
"""

import itertools

STAGE = "spool"
SEGMENT = 1 << 20


def run(rig):
    clusters = {name: rig.kafka(settings={"auto.create.topics.enable": "false"}) for name in ("main", "backup")}
    for number in range(rig.rounds):
        for name, case in CASES.items():
            for killed in (False, True):
                trial = Trial(rig, clusters, f"{name}-{number}{'-killed' * killed}", killed)
                case(trial)
                trial.end()
    rig.note(f"{len(CASES)} cases, each stopped and killed, {rig.rounds} times: all arrived")


class Trial:
    """A node with the routes `first`, `second` and more, each with one topic."""

    made = itertools.count()

    def __init__(self, rig, clusters, name, killed):
        self.rig, self.clusters, self.name, self.killed, self.loads, self.topics = rig, clusters, name, killed, [], set()
        number = next(self.made)
        # Of each case the stopped one or the killed one, in the next round the other; which first is the seed's.
        self.stages = ("forward", "mirror")[:1 + (number // 2 + number + rig.seed) % 2]
        self.node = rig.node(clusters, spool={"segment": f"{SEGMENT >> 20}MiB", "max_size": "64MiB"}).away()
        self.node.configuration["shutdown"] = {"timeout": "1s"}

    def start(self, *routes):
        places = {stage: {"to": cluster} for stage, cluster in zip(self.stages, self.clusters)}
        self.node.configuration["routes"] = {route: {"topics": [self.topic(route)]} | places for route in routes}
        self.node.configuration["topics"] = {self.topic(route): {"key": "$.k"} for route in routes}
        self.node.start()

    def topic(self, route):
        return f"{self.name}-{route}"

    def send(self, route, events, **options):
        self.begin(route, events, **options).finish()

    def begin(self, route, events, **options):
        """Sends, and does not wait for it."""
        if self.topic(route) not in self.topics:
            self.topics.add(self.topic(route))
            for cluster in self.clusters.values():
                cluster.create(self.topic(route), 3)
        self.loads.append(load := self.rig.load(self.node, self.topic(route), events=events, **({"batch": 20, "connections": 4} | options)))
        return load

    def stop(self, killed=None):
        if self.killed if killed is None else killed:
            self.node.kill()
        else:
            self.rig.check("it ends in peace", self.node.terminate() == 0)

    def restart(self, *routes):
        self.stop()
        self.start(*routes)

    def waits(self, route, events):
        """It says so itself, also right after a start."""
        for stage in self.stages:
            found = self.node.lag(route, stage)
            self.rig.check(f"{self.name}: {events} events wait for the {stage} of {route}", found == events, found)

    def end(self):
        """Kafka is there, and so are all routes: everything arrives."""
        self.stop()
        self.node.away(False)
        self.start(*(topic.rpartition("-")[2] for topic in sorted(self.topics)))
        self.rig.check(f"{self.name}: nothing is called damaged", not self.node.missing(), self.node.missing())
        self.rig.drain(self.node)
        for _, cluster in zip(self.stages, self.clusters.values()):
            self.rig.judge(self.loads, cluster, topics=self.topics, copies=2)
        self.rig.check("it ends in peace", self.node.terminate() == 0)


def ahead(trial):
    """The route that is opened first has nothing waiting, the second all."""
    trial.start("first", "second")
    trial.send("second", 6000)
    trial.restart("first", "second")
    trial.waits("second", 6000)


def reordered(trial):
    """Two wait and one is idle, and they change places."""
    trial.start("first", "second", "idle")
    trial.send("second", 3000)
    trial.send("first", 1000)
    trial.restart("idle", "second", "first")
    trial.restart("second", "first", "idle")
    trial.waits("first", 1000)
    trial.waits("second", 3000)


def removed(trial):
    """A route with a backlog is taken out, while others go on."""
    trial.start("first", "second")
    trial.send("second", 3000)
    trial.restart("first")
    trial.send("first", 2500)
    trial.restart("first")
    trial.restart("second", "first")
    trial.waits("second", 3000)
    trial.waits("first", 2500)


def in_front(trial):
    """A new route is put before one with a backlog."""
    trial.start("second")
    trial.send("second", 3000)
    trial.restart("first", "second")
    trial.waits("first", 0)
    trial.waits("second", 3000)
    trial.send("first", 100)


def told(trial):
    """After two starts a backlog is still shown as it is, and its route taken out keeps it."""
    trial.start("second", "first")
    trial.send("second", 500)
    trial.restart("second", "first")
    trial.waits("second", 500)
    trial.stop(killed=False)
    trial.start("second", "first")
    trial.waits("second", 500)
    trial.restart("first")
    trial.restart("second", "first")
    trial.waits("second", 500)


def again(trial):
    """Stopped seven times with a little each: what is kept is not a segment for each."""
    for _ in range(7):
        trial.start("second", "first")
        trial.send("second", 40)
        trial.stop()
    trial.start("second", "first")
    used = sum(file.stat().st_blocks * 512 for file in trial.node.data.rglob("*") if file.is_file())
    trial.rig.check(f"{trial.name}: it holds little more than is in it", used < 4 * SEGMENT, f"{used >> 10} KiB")
    trial.waits("second", 280)


def large(trial):
    """Requests larger than a segment among small ones, again and again: every file that is written has its name, also at a kill."""
    trial.start("first", "second", "idle")
    for part in range(1, 4):
        loads = [trial.begin("second", 12, batch=2, size=900_000, connections=1), trial.begin("first", 2000, batch=1)]
        for load in loads:
            load.finish()
        trial.restart("second", "idle", "first")
        trial.waits("second", 12 * part)
        trial.waits("first", 2000 * part)


CASES = {case.__name__.replace("_", "-"): case for case in (ahead, reordered, removed, in_front, told, again, large)}
