"""What a mirror costs on top of its route's forward: CPU time and instructions an event, and what is read of a backlog for both."""

import itertools
import statistics

from rig.node import binary
from rig.support import until

from .bench import NOWHERE, Failure, drained
from .earlier import COUNTS, RUNS, counted, posts
from .peers import KAFKA_PROPERTIES

NUMBERS = itertools.count(1)
STAGES = {"accepted": (), "forward": ("main",), "both": ("main", "backup")}  # the clusters that are there
RATE, SECONDS = 40, 5  # requests of a thousand events a second: what two clusters beside it on two cores keep up with


class Copies:
    """Makes nodes whose one route goes nowhere, to a cluster, or to two."""

    def __init__(self, bench):
        self.bench, self.clusters = bench, {name: bench.kafka() for name in ("main", "backup")}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.bench.end(*self.clusters.values())

    def node(self, stages, away=False):
        """`away`: at first none of the clusters is there."""
        topic = f"copies-{next(NUMBERS)}"
        routes = {"default": {"topics": ["*"], "forward": {"to": "main"}}}
        if "backup" in STAGES[stages]:
            routes["default"]["mirror"] = {"to": "backup"}
        for name in STAGES[stages]:
            self.clusters[name].create(topic, 6)
        node = self.bench.node(topic, NOWHERE, clusters={"backup": NOWHERE}, routes=routes, topics={topic: {"key": "$.k"}}, program=binary())
        if not away:
            self.connect(node, stages)
        return topic, node

    def connect(self, node, stages):
        for name in STAGES[stages]:
            node.configuration["clusters"][name] = {"properties": self.clusters[name].client_properties(), "producer": KAFKA_PROPERTIES}

    def end(self, topic, node, stages):
        self.bench.end(node)
        for name in STAGES[stages]:
            self.clusters[name].admin.delete_topics([topic])[topic].result(30)

    # What is measured

    def cpu(self, stages):
        """Microseconds of CPU an event at a rate that all keep up with."""
        topic, node = self.node(stages)
        node.start()
        for seconds in (1, SECONDS):  # once to warm up
            before = node.metric("process_cpu_seconds_total")
            self.bench.pace(node.port, 16, RATE, seconds, batch=True, topic=topic)
            waiting = node.metric("forebay_delivery_lag_events")
            if STAGES[stages]:
                drained(node)
            spent = node.metric("process_cpu_seconds_total") - before
        self.end(topic, node, stages)
        if STAGES[stages] and waiting > RATE * 1000:
            raise Failure(f"{stages}: {waiting:,.0f} events were not delivered when the last was accepted: too little CPU to compare")
        return spent * 1e6 / (RATE * 1000 * SECONDS)

    def live(self, stages, events):
        """Instructions of a process that takes in so many events and delivers them meanwhile."""
        topic, node = self.node(stages)

        def work(node):
            posts(self.bench, node.port, events, True, topic)
            if STAGES[stages]:
                until("all is delivered", node.drained, 600, every=0.5)

        total = counted(node, work)
        self.end(topic, node, stages)
        return total

    def backlog(self, stages, events):
        """Instructions of a process that delivers a backlog of so many."""
        topic, node = self.node(stages, away=True)
        node.start()
        posts(self.bench, node.port, events, True, topic)
        node.terminate()
        self.connect(node, stages)
        total = counted(node, lambda node: until("all is delivered", node.drained, 600, every=0.5))
        self.end(topic, node, stages)
        return total

    def read(self, stages):
        """Bytes read of segments for a backlog, and how large it was."""
        topic, node = self.node(stages, away=True)
        node.start()
        self.bench.wrk(node.port, 16, self.bench.seconds, batch=True, topic=topic)
        written = node.metric("forebay_spool_written_bytes_total")
        node.terminate()
        self.connect(node, stages)
        node.start()
        drained(node)
        found = node.metric("forebay_spool_read_bytes_total")
        self.end(topic, node, stages)
        return {"read": found, "written": written}


def cpu(bench, copies):
    """The mirror's share of the forward's CPU time an event, at a steady rate."""
    found = bench.side_by_side({stages: lambda s=stages: copies.cpu(s) for stages in STAGES})
    return shared(bench, "CPU at a steady rate, µs an event", found, 2)


def instructions(bench, copies):
    """The same by instructions: at a steady rate, and with a backlog, where nothing is accepted."""
    few, many = COUNTS["ndjson"]
    counts = {stages: [(copies.live(stages, many) - copies.live(stages, few)) / (many - few) for _ in range(RUNS)] for stages in STAGES}
    live = shared(bench, "instructions an event as they come", counts, 0)
    few, many = COUNTS["drain"]
    counts = {stages: [(copies.backlog(stages, many) - copies.backlog(stages, few)) / (many - few) for _ in range(RUNS)]
              for stages in ("forward", "both")}
    return {"live": live, "backlog": shared(bench, "instructions an event with a backlog", counts, 0)}


def shared(bench, name, found, digits):
    """What the mirror adds, of what the forward does, by medians; and of the whole process."""
    each = {stages: statistics.median(values) for stages, values in found.items()}
    forward, mirror = each["forward"] - each.get("accepted", 0), each["both"] - each["forward"]
    bench.say(f"{name}: " + ", ".join(f"{stages} {value:,.{digits}f}" for stages, value in each.items())
              + f"; the mirror adds {mirror / forward:.2f} of the forward, {mirror / each['forward']:.2f} of all")
    return {"each": each, "of_forward": mirror / forward, "of_all": mirror / each["forward"], "runs": found}


def reading(bench, copies):
    """Bytes read for each byte of a backlog, for the forward alone and for both."""
    found = bench.side_by_side({stages: lambda s=stages: copies.read(s) for stages in ("forward", "both")})
    shares = {stages: [run["read"] / run["written"] for run in runs] for stages, runs in found.items()}
    each = {stages: statistics.median(values) for stages, values in shares.items()}
    bench.say(f"of each byte of a backlog {each['forward']:.2f} are read for the forward alone, {each['both']:.2f} for both; all runs "
              + " ".join(f"{share:.2f}" for share in shares["both"]))
    return {"each": each, "all": shares["both"], "ratio": each["both"] / each["forward"], "runs": found}
