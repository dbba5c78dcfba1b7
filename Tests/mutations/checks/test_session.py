"""What is drawn, judged, kept and told: over a small tree, with tests that answer as they are told."""

import argparse
import contextlib
import io
import re
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mutator import configuration, results, session, sites, tree  # noqa: E402
from mutator.bundle import Course, Verdict  # noqa: E402
from mutator.judge import Judge, Refused  # noqa: E402

SOURCE = """
struct Counter {
    var count = 0

    mutating func add(_ more: Int) {
        guard more > 0 else { return }
        self.count += more
        self.told(more)
    }
}
"""
PATCH = """Counts down.

diff --git a/Sources/A/Counter.swift b/Sources/A/Counter.swift
--- a/Sources/A/Counter.swift
+++ b/Sources/A/Counter.swift
@@ -6,3 +6,3 @@
         guard more > 0 else { return }
-        self.count += more
+        self.count -= more
         self.told(more)
"""
USUAL = {"ATests.Quick/a()": 0.1, "ATests.Slow/b()": 3.0, "ATests.Slow/c()": 2.0, "BTests.Quick/d()": 0.1}


class Program:
    """A bundle whose tests do what `does` says: {test: how}."""

    def __init__(self, does):
        self.does, self.runs = does, []

    def run(self, only, skipped=(), usual=None):
        self.runs.append((list(only), list(skipped)))
        for test in USUAL:
            if any(re.search(part, test) for part in only) and not any(re.search(part, test) for part in skipped):
                if self.does.get(test):
                    return Verdict(self.does[test], test, "so told")
        return Verdict("passes", seconds=dict(USUAL))


class Builds:
    def __init__(self, *answers):
        self.answers = list(answers)

    def build(self):
        return (self.answers.pop(0) if self.answers else True), "it does not"


def judge(changed, unchanged=None, build=None):
    judge = Judge(build or Builds(), Program(unchanged or {}), Program(changed), {"A": ["ATests"], "B": ["BTests"]})
    judge.usual = dict(USUAL)
    return judge


class Judging(unittest.TestCase):
    def test_all_pass_so_it_survived(self):
        self.assertEqual(judge({}).judge(["A"])["outcome"], "survived")

    def test_one_that_fails_kills(self):
        result = judge({"ATests.Slow/b()": "fails"}).judge(["A"])
        self.assertEqual((result["outcome"], result["how"], result["test"]), ("killed", "fails", "ATests.Slow/b()"))

    def test_tests_of_other_modules_have_no_say(self):
        self.assertEqual(judge({"BTests.Quick/d()": "fails"}).judge(["A"])["outcome"], "survived")

    def test_a_crash_or_a_hang_counts_only_if_the_test_passes_without_the_change(self):
        for how in ("crashes", "hangs", "fails"):
            with self.subTest(how):
                self.assertEqual(judge({"ATests.Quick/a()": how}).judge(["A"])["outcome"], "killed")
                both = judge({"ATests.Quick/a()": how}, unchanged={"ATests.Quick/a()": how})
                self.assertEqual(both.judge(["A"])["outcome"], "unproven")

    def test_what_does_not_build_is_invalid_and_not_run(self):
        one = judge({}, build=Builds(False))
        self.assertEqual(one.judge(["A"])["outcome"], "invalid")
        self.assertEqual(one.changed.runs, [])

    def test_quick_tests_first_then_what_noticed_before_then_the_others_together(self):
        one = judge({})
        phases = list(one.phases(["A"]))
        self.assertEqual(len(phases), 2)
        self.assertEqual(len(phases[0][1]), 2)
        self.assertEqual(len(phases[1][0]), 2)
        one.kills["ATests.Slow/b()"] += 1
        phases = list(one.phases(["A"]))
        self.assertEqual(len(phases), 3)
        self.assertIn("b\\(\\)", phases[1][0][0])
        self.assertIn("c\\(\\)", phases[2][0][0])

    def test_tests_that_do_not_pass_without_a_change_judge_nothing(self):
        with self.assertRaises(Refused):
            judge({}, unchanged={"ATests.Quick/a()": "fails"}).baseline(["A"])


class Following(unittest.TestCase):
    @staticmethod
    def event(kind, test="", **more):
        return {"kind": "event", "payload": {"kind": kind, "testID": test, "instant": {"absolute": 1.0}, **more}}

    def test_the_test_that_runs_is_known_without_its_place(self):
        course = Course()
        course.take(self.event("testStarted", "M.Suite"))
        course.take(self.event("testStarted", "M.Suite/a()/File.swift:1:2"))
        self.assertEqual(course.running, "M.Suite/a()")
        course.take(self.event("testEnded", "M.Suite/a()/File.swift:1:2"))
        self.assertEqual((course.running, list(course.seconds)), ("", ["M.Suite/a()"]))

    def test_a_known_issue_is_no_failure(self):
        course = Course()
        course.take(self.event("issueRecorded", "M.S/a()/F.swift:1:2", issue={"isKnown": True}))
        self.assertIsNone(course.failure)
        course.take(self.event("issueRecorded", "M.S/a()/F.swift:1:2", issue={"isKnown": False}, messages=[{"text": "no"}]))
        self.assertEqual(course.failure, ("M.S/a()", "no"))


class Whole(unittest.TestCase):
    """Runs over a tree of one file, without a compiler."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        files = {"Sources/A/Counter.swift": SOURCE, "Package.swift": 'tests("ATests", [])', "Tests/known/down.patch": PATCH}
        for path, text in files.items():
            (self.root / path).parent.mkdir(parents=True, exist_ok=True)
            (self.root / path).write_text(text)
        self.addCleanup(setattr, configuration, "PATCHES", configuration.PATCHES)
        configuration.PATCHES = ("Tests/known",)
        self.addCleanup(setattr, configuration, "FEW", configuration.FEW)
        configuration.FEW = 1000  # One at a time.
        self.tried = []

    def options(self, **set):
        usual = {
            "count": 200, "seed": 1, "module": None, "file": None, "operator": None, "site": None, "survivors": False, "all": False,
            "patches": None, "no_patches": True, "shard": "1/1", "resume": False, "tests": None, "skip_tests": [], "kafka": False,
        }
        return argparse.Namespace(**(usual | set))

    def run_with(self, outcome="killed", **set):
        """One run in which every mutant meets the same outcome, or what `outcome` makes of the changed source."""
        copy = tree.Tree(self.root, "tree-1", ["ATests"])
        copy.build_unchanged = lambda: None
        now = copy.refresh()
        self.addCleanup(copy.lock.close)
        run = session.Run(self.options(**set), copy, now, sites.of_tree(copy.folder, ["A"]), {"A": ["ATests"]})
        run.judge.baseline = lambda modules: {"ATests.Quick/a()": 0.1}

        def judged(modules):
            text = copy.text("Sources/A/Counter.swift")
            self.tried.append(text)
            said = outcome(text) if callable(outcome) else outcome
            return {"outcome": said, "reason": "", "how": "fails", "test": "ATests.Quick/a()", "build": 0.0, "tests": 0.0}

        run.judge.judge = judged
        self.output = io.StringIO()
        try:
            with contextlib.redirect_stdout(self.output):
                code = run.go()
        finally:
            copy.restore()
            copy.lock.close()
        self.assertEqual(copy.text("Sources/A/Counter.swift"), SOURCE)
        self.assertEqual((self.root / "Sources/A/Counter.swift").read_text(), SOURCE)
        return code, run

    def test_each_site_once_and_each_another_text(self):
        code, run = self.run_with()
        self.assertEqual(code, 0)
        self.assertEqual(len(self.tried), len(run.found["A"]))
        self.assertEqual(len(set(self.tried)), len(self.tried))
        self.assertNotIn(SOURCE, self.tried)

    def test_the_same_seed_draws_the_same_and_another_one_does_not(self):
        drawn = []
        for seed in (1, 1, 2):
            self.tried = []
            self.run_with(seed=seed, count=4)
            drawn.append(self.tried)
        self.assertEqual(drawn[0], drawn[1])
        self.assertNotEqual(drawn[0], drawn[2])
        self.assertEqual(len(drawn[0]), 4)

    def test_what_does_not_build_is_drawn_anew(self):
        self.run_with(lambda text: "invalid" if "guard" in text and len(self.tried) < 3 else "killed", count=4)
        self.assertEqual(len(self.tried), 6)

    def test_resuming_tries_only_what_is_not_known(self):
        class Stop(Exception):
            pass

        def stops(text):
            if len(self.tried) == 3:
                raise Stop
            return "killed"

        with self.assertRaises(Stop):
            self.run_with(stops)
        interrupted = self.tried
        self.run_with(seed=7, patches="", no_patches=False)  # Drew nothing, so its seed is not the one to go on with.
        self.tried = []
        _, run = self.run_with(resume=True, seed=None)
        self.assertEqual(run.seed, 1)
        self.assertEqual(len(self.tried), len(run.found["A"]) - 2)
        self.assertEqual(self.tried[0], interrupted[2])
        self.assertEqual(len(run.records), len(run.found["A"]))

    def test_nothing_is_kept_of_another_tree_or_of_other_judges(self):
        self.run_with()
        (self.root / "Sources/A/More.swift").write_text("let more = true\n")
        self.tried = []
        _, run = self.run_with(resume=True)
        self.assertEqual(len(self.tried), len(run.found["A"]))
        self.tried = []
        self.run_with(resume=True, skip_tests=["Quick"])
        self.assertEqual(len(self.tried), len(run.found["A"]))

    def test_survivors_are_shown_fail_the_run_and_are_tried_again(self):
        code, _ = self.run_with(lambda text: "survived" if "-= more" in text else "killed")
        self.assertEqual(code, 1)
        self.assertIn("+        self.count -= more", self.output.getvalue())
        self.tried = []
        code, _ = self.run_with(survivors=True)
        self.assertEqual((code, len(self.tried)), (0, 1))

    def test_shards_share_all_and_repeat_nothing(self):
        for shard in ("1/3", "2/3", "3/3"):
            self.run_with(shard=shard, all=True)
        self.assertEqual(len(self.tried), len(set(self.tried)))
        self.tried, before = [], len(self.tried)
        self.run_with()
        self.assertEqual(len(self.tried), before)

    def test_an_equivalent_is_left_out_and_one_that_is_gone_is_an_error(self):
        site = next(site for site in sites.of_tree(self.root, ["A"])["A"] if site.operator == "arithmetic")
        page = self.root / configuration.EQUIVALENTS
        page.parent.mkdir(parents=True)
        page.write_text(f"# Page\n\n## `{site.id}`\n\nProof: it is.\n")
        _, run = self.run_with()
        self.assertEqual(len(self.tried), len(run.found["A"]) - 1)
        page.write_text("# Page\n\n## `0123456789`\n\nProof: it is.\n")
        with self.assertRaisesRegex(SystemExit, "0123456789"):
            self.run_with()

    def test_a_patch_is_tried_and_one_that_does_not_apply_is_told(self):
        code, run = self.run_with(patches="", no_patches=False)
        self.assertEqual((code, run.records[0]["outcome"]), (0, "killed"))
        self.assertIn("self.count -= more", self.tried[0])
        (self.root / "Tests/known/down.patch").write_text(PATCH.replace("-        self.count += more", "-        self.total += more"))
        code, run = self.run_with(patches="", no_patches=False)
        self.assertEqual((code, run.records[0]["outcome"]), (1, "stale"))
        self.assertIn("no longer applies", self.output.getvalue())

    def test_two_runs_never_share_a_copy(self):
        first, second = (tree.Tree(self.root, "tree-1", []) for _ in range(2))
        first.refresh()
        self.addCleanup(first.lock.close)
        with self.assertRaises(SystemExit):
            second.refresh()
        second.lock.close()


class Tables(unittest.TestCase):
    def test_equal_parts_for_each_module_as_far_as_they_go(self):
        left = {"A": [0] * 10, "B": [0] * 100, "C": [0] * 100, "D": []}
        self.assertEqual(session.shares(100, left), {"A": 10, "B": 45, "C": 45, "D": 0})
        self.assertEqual(session.shares(500, left), {"A": 10, "B": 100, "C": 100, "D": 0})

    def test_a_proof_is_needed(self):
        with self.assertRaisesRegex(SystemExit, "no proof"):
            results.equivalents("## `0123456789`\n\nBecause.\n")
        listed = results.equivalents("## What it is\n\ntext\n\n### `a.swift:1:2:swap@0123456789`\n\nProof: p\n")
        self.assertEqual(listed, {"0123456789": "p"})

    def test_a_line_cut_short_is_passed_over(self):
        with tempfile.TemporaryDirectory() as folder:
            kept = results.Results(Path(folder) / "r.jsonl")
            kept.add({"mark": "a", "outcome": "survived"})
            kept.path.write_text(kept.path.read_text() + '{"mark": "b", "out')
            self.assertEqual(kept.last_survivors(), {"a"})


if __name__ == "__main__":
    unittest.main()
