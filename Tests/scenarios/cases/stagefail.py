"""Forward stages are made to fail again and again: 0 lost, siblings untouched, no request left hanging, restarts visible in status.

strace fails every opening of a segment for reading (EMFILE) for a while, so that a stage's input ends whichever thread tries it; the root makes the
stage anew from its cursor, again and again until the openings succeed. A round is one such failure. All the while one client posts and another posts
and waits for Kafka; one route is idle, one set aside, two have no cluster. Half of the failures come after a restart with other routes. (Failures at
random points, of every kind of stage, injected inside the process: `swift test --filter StageFailure`.)
"""

from pathlib import Path

from rig import tracing
from rig.support import until
from rig.world import World

ROUNDS = {"ci": 8, "long": 30}  # the pauses before restarts grow to half a minute
SEGMENT = 2 << 20


def run(rig):
    world = World(rig, spool={"segment": f"{SEGMENT >> 20}MiB"}).begin()
    restarts, slowest = 0, 0
    for part in range(2):
        found = fail(rig, world, part, (rig.rounds + part) // 2)
        restarts, slowest = restarts + found[0], max(slowest, found[1])
        world.change(keeping=["steady"])
        world.restart()
    verdict = world.end(copies=2 * world.node.starts + restarts)
    rig.note(f"{restarts} restarts of stages, {verdict}, slowest answer {slowest} ms")


def fail(rig, world, part, least):
    """Until the stages were restarted so often: how often it was in the end, and the slowest answer in ms."""
    node = world.node
    world.main.freeze()
    world.load("steady", events=100_000, size=800, batch=200, connections=8).wait()  # more than is served from memory, so that segments are opened
    with refusing(rig, node, part):
        loads = [world.load("steady", batch=20, connections=4, pause=20),
                 world.load("steady", batch=1, connections=8, pause=20, query="?ack=kafka")]
        for load in loads:
            load.reach("events flow", lambda counts: counts["events"] > 20)
        world.main.thaw()
        until("the stages fail", lambda: restarts(node) >= least, 60 + 30 * least)
    counts = [load.stop() for load in loads]
    rig.check("every request was answered 2xx", all(not set(c) & {"refused", "unknown"} for c in counts), counts)
    until("steady has caught up", lambda: world.lag("steady") == 0, 180)
    stages = {stage["name"]: stage["restarts"] for stage in node.status()["stages"]}
    rig.check("siblings are untouched", all(n == 0 for name, n in stages.items() if not name.startswith("forward/")), stages)
    rig.say(f"restarts: {', '.join(f'{name} {n}' for name, n in stages.items() if n)}")
    return restarts(node), max(c["slowest"] for c in counts)


def refusing(rig, node, part):
    """While inside, no segment that is there now can be opened, as when descriptors run out.

    They are opened by their names, from the folder's descriptor; names that a side log has, too, are left alone.
    """
    others = {path.name for path in node.data.glob("*/*/segments/*")}
    names = {Path(path).name for path in node.segments()[:-1]} - others
    paths = [word for name in sorted(names) for word in ("-P", name)]
    fault = "inject=openat:error=EMFILE"
    return tracing.attached(rig, node, rig.folder / f"trace-{part}", "-e", "trace=openat", "-e", fault, *paths)


def restarts(node):
    return sum(stage["restarts"] for stage in node.status()["stages"] if stage["name"].startswith("forward/"))
