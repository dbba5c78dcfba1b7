"""The scenarios must be able to fail: a toy in place of forebay keeps the promise, then breaks it in one way after another."""

import os
import subprocess
import tempfile
import unittest
from pathlib import Path

SCENARIOS = Path(__file__).parents[1]


@unittest.skipUnless(os.environ.get("KAFKA_HOME"), "needs a real Kafka (KAFKA_HOME)")
class ToyTests(unittest.TestCase):
    def kill9(self, bug=""):
        with tempfile.TemporaryDirectory() as folder:
            environment = os.environ | {"FAKE_BUG": bug, "SCENARIO_BINARY": str(SCENARIOS / "fake/forebay"), "SCENARIO_FOLDER": folder}
            command = [SCENARIOS / "run", "kill9", "--rounds", "8", "--seed", "2"]
            done = subprocess.run(command, env=environment, capture_output=True, text=True)
        return done.returncode, done.stdout

    def test_a_sound_toy_passes(self):
        code, output = self.kill9()
        self.assertEqual(code, 0, output)

    def test_each_bug_is_caught_and_named(self):
        for bug, fault in (("ack-early", "lost"), ("cursor-early", "lost"), ("torn", "(torn|lost|identity)"), ("overtake", "disorder")):
            with self.subTest(bug):
                code, output = self.kill9(bug)
                self.assertEqual(code, 1, output)
                self.assertRegex(output, rf"FAULTS:.* \d+ {fault}")


if __name__ == "__main__":
    unittest.main()
