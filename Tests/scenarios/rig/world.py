"""Several routes over two clusters under one node, each in a state of its own: what a claim in the plural is tried on.

    steady   flows
    idle     had events once, all delivered
    missing  its topic is not there: set aside
    behind   delivered some; then its cluster went away
    late     comes and goes, on the cluster that is away

Between two starts of the node the routes are what an operator may make of them: in another order, some removed, some new or back. What a removed
route holds waits for it, and nobody takes its topic meanwhile (404). At the end all is put back, and everything acknowledged must arrive in order.
"""

import itertools

from .support import until

CLUSTER_OF = {"steady": "main", "idle": "main", "missing": "main", "behind": "other", "late": "other"}
LIGHT = {"batch": 10, "connections": 2, "pause": 50}  # beside the load that the scenario is about


class World:
    def __init__(self, rig, **options):
        """`options` for the node. The topic of a route has its name."""
        self.rig, self.loads, self.changes = rig, [], 0
        self.clusters = {name: rig.kafka(settings={"auto.create.topics.enable": "false"}) for name in ("main", "other")}
        for topic, cluster in CLUSTER_OF.items():
            if topic != "missing":
                self.clusters[cluster].create(topic)
        self.node = rig.node(self.clusters, **({"delivery": {"set_aside": {"retry": "2s"}}} | options))
        self.configure(CLUSTER_OF)

    main = property(lambda self: self.clusters["main"])
    other = property(lambda self: self.clusters["other"])

    def load(self, topic, **options):
        self.loads.append(load := self.rig.load(self.node, topic, **({"seed": f"{self.rig.seed}/{len(self.loads)}"} | options)))
        return load

    def begin(self):
        """Starts the node and brings each route into its state. Only `steady` has no load yet: it is the scenario's."""
        self.node.start()
        self.load("idle", events=2000, batch=20).wait()
        for name in ("missing", "behind", "late"):
            self.load(name, **LIGHT)
        until("some of behind is delivered", lambda: self.delivered("behind") > 100)
        self.other.stop()
        until("idle is idle", lambda: self.node.lag("idle") == 0)
        until("missing is set aside", lambda: "missing" in self.node.units())
        return self

    def delivered(self, route):
        return self.node.metric("forebay_delivery_events_total", route=route) or 0

    # Between two starts: the node takes it up when it is started next

    def configure(self, names):
        """These routes, in this order."""
        self.node.configuration["routes"] = {name: {"topics": [name], "forward": {"to": CLUSTER_OF[name]}} for name in names}
        self.node.configuration["topics"] = {name: {"key": "$.k"} for name in names}

    def change(self, keeping=()):
        """One to three routes are removed, the others stand in another order: as the seed says. `keeping`: those that stay."""
        free = [name for name in CLUSTER_OF if name not in keeping]
        removed = self.rig.random.sample(free, self.rig.random.randrange(1, min(4, len(free))))
        self.put_back()
        self.configure([name for name in self.present() if name not in removed])
        self.changes += 1
        self.rig.say(f"routes: {', '.join(self.present())}; removed: {', '.join(removed)}")

    def put_back(self):
        """All routes, in an order as the seed says."""
        self.configure(self.rig.random.sample(list(CLUSTER_OF), len(CLUSTER_OF)))

    def present(self):
        return list(self.node.configuration["routes"])

    def restart(self):
        """Stopped in peace, and started with the routes as they are configured now."""
        self.rig.check("it ends in peace", self.node.terminate() == 0)
        self.node.start()

    def interlude(self, keeping=("steady",)):
        """Once with other routes, then with all of them; the clusters serve. What is there is delivered, what a removed route held when it is back."""
        self.change(keeping)
        self.restart()
        self.settle()
        self.put_back()
        self.restart()
        self.settle()

    def settle(self):
        """The routes that are there have delivered what waited before; new events may come all the time."""
        lags = {}

        def caught_up():
            lags.update({name: self.node.lag(name) for name in self.present()})
            return max(lags.values()) < 1000

        until("the routes have caught up", caught_up, 120)

    def serve(self):
        for cluster in self.clusters.values():
            cluster.thaw()
            cluster.start()

    def outage(self):
        for cluster in self.clusters.values():
            cluster.stop()

    # The end

    def heal(self):
        """Both clusters serve, all topics are there."""
        self.serve()
        if "missing" not in self.main.admin.list_topics(timeout=10).topics:
            self.main.create("missing")

    def end(self, **options):
        """Everything is put back, and the node is running or will be started; then the verdict over all routes together."""
        self.put_back()
        if self.node.running():
            self.rig.check("it ends in peace", self.node.terminate() == 0)
        self.node.start()
        self.heal()
        for load in self.loads:
            load.stop()
        until("nothing is set aside", lambda: not self.node.units(), 120, every=0.2)
        verdict = self.rig.judge(self.loads, self, self.node, topics=CLUSTER_OF, **options)
        self.rig.check("nothing went to the dead letters", not self.node.dead_letters())
        self.rig.check("it ends in peace", self.node.terminate() == 0)
        return verdict

    def records(self, *topics):
        """What stands in both clusters, for the judge."""
        return itertools.chain.from_iterable(self.clusters[CLUSTER_OF[topic]].records(topic) for topic in topics)
