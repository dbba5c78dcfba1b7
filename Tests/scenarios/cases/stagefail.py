"""A stage is made to fail at random points: 0 lost, siblings untouched, no request left hanging, restarts visible in status."""

from rig.support import Skip


def run(rig):
    raise Skip("a hook to make a stage fail from outside; the test kit does it in process (swift test --filter StageFailure)")
