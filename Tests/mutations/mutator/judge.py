"""Decides whether the tests notice a change."""

import re
import time
from collections import Counter

from mutator import configuration
from mutator.bundle import exactly


class Refused(Exception):
    """The tests don't pass without any change, so they can't judge one."""


class Judge:
    """Holds the tests to the program as it is, and to the changed one.

    - targets: the test targets by module.
    - skipped: expressions of tests that have no say.
    """

    def __init__(self, tree, unchanged, changed, targets, skipped=()):
        self.tree, self.unchanged, self.changed = tree, unchanged, changed
        self.targets, self.skipped = targets, list(skipped)
        self.usual = {}
        self.kills = Counter()

    def baseline(self, modules):
        """Passes all tests without a change, and learns how long each takes."""
        wanted = sorted({target for module in modules for target in self.targets[module]})
        verdict = self.unchanged.run([of_target(target) for target in wanted], self.skipped)
        if verdict.how != "passes":
            raise Refused(f"{verdict.test or 'the tests'} {verdict.how} without any change: {verdict.reason}")
        self.usual = verdict.seconds
        for target in wanted:
            if not self.skipped and not any(re.search(of_target(target), test) for test in self.usual):
                raise Refused(f"{target} has no test")
        return verdict.seconds

    def phases(self, modules):
        """Quick tests together, then those that noticed something before, one by one, most first, then all others together."""
        expressions = [of_target(target) for target in sorted({target for module in modules for target in self.targets[module]})]
        mine = [test for test in self.usual if any(re.search(expression, test) for expression in expressions)]
        slow = [test for test in mine if self.usual[test] > configuration.QUICK]
        slow.sort(key=lambda test: (-self.kills[test], self.usual[test]))
        if len(slow) < len(mine):
            yield expressions, self.skipped + [exactly(test) for test in slow]
        for test in [test for test in slow if self.kills[test]]:
            yield [exactly(test)], []
        if others := [test for test in slow if not self.kills[test]]:
            yield [exactly(test) for test in others], []

    def judge(self, modules):
        """Builds the tree as it is changed now, and runs the tests. Gives what a result says of it."""
        began = time.monotonic()
        builds, reason = self.tree.build()
        built = time.monotonic()
        result = {"outcome": "invalid", "reason": reason, "build": round(built - began, 1)}
        if builds:
            result |= self.tried(modules, self.changed, self.unchanged)
        return result

    def tried(self, modules, changed, unchanged):
        """Runs the tests of these modules in a program with a change, and those that notice in one without."""
        began = time.monotonic()
        return self.verdict(modules, changed, unchanged) | {"tests": round(time.monotonic() - began, 1)}

    def verdict(self, modules, changed, unchanged):
        for only, skipped in self.phases(modules):
            verdict = changed.run(only, skipped, self.usual)
            if verdict.how == "passes":
                continue
            self.kills[verdict.test] += 1
            result = {"how": verdict.how, "test": verdict.test, "reason": verdict.reason}
            # Neither a test that fails by itself is a kill, nor a crash or a hang that is not the change's doing.
            if verdict.test:
                without = unchanged.run([exactly(verdict.test)], (), self.usual)
            else:
                without = unchanged.run(only, skipped, self.usual)
            if without.how == "passes":
                return result | {"outcome": "killed"}
            return result | {"outcome": "unproven", "reason": f"without the change it {without.how}, too: {without.reason}"}
        return {"outcome": "survived", "reason": ""}


def of_target(target):
    return rf"^{re.escape(target)}\."
