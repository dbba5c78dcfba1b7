"""The scenarios must be able to fail: a toy in place of forebay keeps the promise, then breaks it in one way after another."""

import os
import sys
import tempfile
import time
import unittest
from pathlib import Path
from unittest import mock

SCENARIOS = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(SCENARIOS))

from rig.scenario import Rig  # noqa: E402
from rig.support import Failure  # noqa: E402

TOY = SCENARIOS / "fake/forebay"


@unittest.skipUnless(os.environ.get("KAFKA_HOME"), "needs a real Kafka (KAFKA_HOME)")
class ToyTests(unittest.TestCase):
    def killed(self, bug=""):
        """The kill loop of `kill9` on one route, which is what the toy has; gives the verdict, or what failed."""
        with tempfile.TemporaryDirectory() as folder, mock.patch.dict(os.environ, {"SCENARIO_FOLDER": folder}):
            rig = Rig("toy", 2, 8)
            rig.say = lambda text: None
            try:
                return self.loop(rig, bug)
            except Failure as failure:
                return failure
            finally:
                rig.close(failed=False)

    def loop(self, rig, bug):
        kafka = rig.kafka()
        kafka.create("events", 6)
        node = rig.node(kafka, program=TOY)
        loads = [rig.load(node, batch=1, connections=24), rig.load(node, batch=150, connections=4, pause=5, seed=rig.seed + 1)]
        for cycle in range(rig.rounds):
            frozen = cycle % 4 == 3
            if frozen:
                kafka.freeze()
            node.start(environment={"FAKE_BUG": bug}, ready=cycle % 5 != 4)
            time.sleep(rig.random.uniform(0.02, 1.5))  # the instant of the crash, not a wait
            node.kill()
            if frozen:
                kafka.thaw()
        node.start(environment={"FAKE_BUG": bug})
        for load in loads:
            load.stop()
        return rig.judge(loads, kafka, node, copies=node.starts)

    def test_a_sound_toy_passes(self):
        verdict = self.killed()
        self.assertTrue(getattr(verdict, "sound", False), verdict)

    def test_each_bug_is_caught_and_named(self):
        for bug, fault in (("ack-early", "lost"), ("cursor-early", "lost"), ("torn", "(torn|lost|identity)"), ("overtake", "disorder")):
            with self.subTest(bug):
                verdict = self.killed(bug)
                self.assertIsInstance(verdict, Failure)
                self.assertRegex(str(verdict), rf"FAULTS:.* \d+ {fault}")


if __name__ == "__main__":
    unittest.main()
