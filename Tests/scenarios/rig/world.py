"""Several routes over two clusters under one node, each in a state of its own: what a claim in the plural is tried on.

    steady   flows
    idle     had events once, all delivered
    missing  its topic is not there: set aside
    behind   delivered some; then its cluster went away
    late     comes and goes, on the cluster that is away

Some may have a mirror, drawn by the seed: a copy in the cluster that their forward does not go to. So those of the first three wait while the others'
flow. The copies are judged apart, each cluster by itself.

Between two starts of the node the routes are what an operator may make of them: in another order, some removed, some new or back, some under another
name (`formerly`), some without their mirror. What a removed route or mirror holds waits for it, and nobody takes a removed route's topic meanwhile
(404). At the end all is put back, names too, and everything acknowledged must arrive in order, and so must its copy. What is asked here for a route
goes by its first name, which is its topic's.
"""

import itertools
from types import SimpleNamespace

from .support import until

CLUSTER_OF = {"steady": "main", "idle": "main", "missing": "main", "behind": "other", "late": "other"}
MIRROR_OF = {topic: {"main": "other", "other": "main"}[cluster] for topic, cluster in CLUSTER_OF.items()}
LIGHT = {"batch": 10, "connections": 2, "pause": 50}  # beside the load that the scenario is about


class World:
    def __init__(self, rig, mirrors=0, **options):
        """`mirrors`: of so many routes. `options` for the node."""
        self.rig, self.loads, self.changes, self.there, self.bare = rig, [], 0, [], []
        self.mirrored = set(rig.random.sample(list(CLUSTER_OF), mirrors))
        self.names = {topic: [topic] for topic in CLUSTER_OF}  # that each route ever had, the one that it has now last
        self.clusters = {name: rig.kafka(settings={"auto.create.topics.enable": "false"}) for name in ("main", "other")}
        for topic, cluster in CLUSTER_OF.items():
            if topic != "missing":
                self.clusters[cluster].create(topic)
            if topic in self.mirrored:
                self.clusters[MIRROR_OF[topic]].create(topic)
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
        until("idle is idle", lambda: self.lag("idle") == 0)
        until("missing is set aside", lambda: "missing" in self.node.units())
        return self

    def delivered(self, route):
        return self.node.metric("forebay_delivery_events_total", route=self.names[route][-1], stage="forward") or 0

    def lag(self, route, stage="forward"):
        return self.node.lag(self.names[route][-1], stage)

    # Between two starts: the node takes it up when it is started next

    def configure(self, routes, bare=()):
        """These, in this order; `bare`: without their mirror."""
        self.there, self.bare = list(routes), list(bare)
        self.node.configuration["routes"] = {self.names[route][-1]: self._settings(route) for route in routes}
        self.node.configuration["topics"] = {route: {"key": "$.k"} for route in routes}

    def has_mirror(self, route):
        return route in self.mirrored and route not in self.bare

    def _settings(self, route):
        *former, name = self.names[route]
        settings = {"topics": [route], "forward": {"to": CLUSTER_OF[route]}}
        if self.has_mirror(route):
            settings["mirror"] = {"to": MIRROR_OF[route]}
        return settings | ({"formerly": sorted(set(former) - {name})} if set(former) - {name} else {})

    def change(self, keeping=()):
        """One to three routes are removed; of the others one has a new name, another is without its mirror if it has one, and they stand in
        another order: as the seed says. `keeping`: those that stay."""
        free = [route for route in CLUSTER_OF if route not in keeping]
        removed = self.rig.random.sample(free, self.rig.random.randrange(1, min(4, len(free))))
        self.changes += 1
        present = [route for route in self.rig.random.sample(list(CLUSTER_OF), len(CLUSTER_OF)) if route not in removed]
        self._rename(renamed := self.rig.random.choice(present), f"renamed-{self.changes}")
        # One that has nothing to wait for is nowhere once its route is removed, and a mirror that is new begins at the end. Nor does a name that had
        # none while it was in use leave it anything.
        bare = [route for route in present if route in self.mirrored and route in self.there and route != renamed][:1]
        self.configure(present, bare)
        self.rig.say(f"routes: {', '.join(self.node.configuration['routes'])}; removed: {', '.join([*removed, *(f'{b}/mirror' for b in bare)])}")

    def _rename(self, route, name):
        if self.names[route][-1] != name:
            self.names[route].append(name)

    def put_back(self):
        """All routes, with their first names, in an order as the seed says."""
        for route in CLUSTER_OF:
            self._rename(route, route)
        self.configure(self.rig.random.sample(list(CLUSTER_OF), len(CLUSTER_OF)))

    def restart(self, ready=True):
        """Stopped in peace, and started with the routes as they are configured now. One that is full is started, and not ready."""
        self.rig.check("it ends in peace", self.node.terminate() == 0)
        self.node.start(ready=ready)
        until("it has started", lambda: self.node.alive() and self.node.get("/startupz")[0] == 200, 60)

    def interlude(self, keeping=("steady",)):
        """Once with other routes, then with all of them; the clusters serve. What is there is delivered,
        what a removed route held when it is back."""
        self.change(keeping)
        self.restart()
        self.settle()
        self.put_back()
        self.restart()
        self.settle()

    def settle(self):
        """The routes that are there have delivered what waited before; new events may come all the time."""

        def caught_up():
            lags = [self.lag(route) for route in self.there] + [self.lag(route, "mirror") for route in self.there if self.has_mirror(route)]
            return max(lags) < 1000

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
        verdict = self.rig.judge(self.loads, self._records(CLUSTER_OF), self.node, topics=CLUSTER_OF, **options)
        if self.mirrored:
            copied = [load for load in self.loads if load.topic in self.mirrored]
            self.copies = self.rig.judge(copied, self._records(MIRROR_OF), topics=self.mirrored, **options)
        self.rig.check("nothing went to the dead letters", not self.node.dead_letters())
        self.rig.check("it ends in peace", self.node.terminate() == 0)
        return verdict

    def _records(self, places):
        """For the judge: what stands in the clusters where these topics have their places."""
        def records(*topics):
            return itertools.chain.from_iterable(self.clusters[places[topic]].records(topic) for topic in topics)

        return SimpleNamespace(records=records)
