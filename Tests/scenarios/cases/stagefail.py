"""Forward stages are made to fail again and again: 0 lost, siblings untouched, no request left hanging, restarts visible in status.

strace fails every second opening of a segment for reading (EMFILE), of each thread by itself: what fails once is tried again by another thread, and
fails there every second time, which ends a stage's input; the root makes it anew from its cursor. A round is one such failure. All the while one
client posts and another posts and waits for Kafka; one route is idle, one set aside, two have no cluster. Half of the failures come after a restart
with other routes. (Failures injected inside the process: `swift test --filter StageFailure`.)
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
    """While inside, every second opening of a segment that is there now fails, as they do when descriptors run out.

    They are opened by their names, from the folder's descriptor; names that a side log has, too, are left alone.
    """
    others = {path.name for path in node.data.glob("*/*/segments/*")}
    names = {Path(path).name for path in node.segments()[:-1]} - others
    paths = [word for name in sorted(names) for word in ("-P", name)]
    fault = "inject=openat:error=EMFILE:when=2+2"
    return tracing.attached(rig, node, rig.folder / f"trace-{part}", "-e", "trace=openat", "-e", fault, *paths)


def restarts(node):
    return sum(stage["restarts"] for stage in node.status()["stages"] if stage["name"].startswith("forward/"))
