"""Silences and rates, from arrivals made up."""

import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from rig.watch import Times  # noqa: E402

LANE, OTHER = ("t", 0), ("t", 1)


class TimesTests(unittest.TestCase):
    def setUp(self):
        self.times = Times([LANE, OTHER])
        self.times.seen[LANE] += [(at, 10) for at in (0.5, 1.0, 1.5, 6.5, 7.0, 7.5)]

    def test_the_longest_silence_is_between_arrivals_or_to_an_edge(self):
        self.assertEqual(self.times.silence(LANE, 0, 8), 5)
        self.assertEqual(self.times.silence(LANE, 0, 2), 0.5)
        self.assertEqual(self.times.silence(LANE, 1.5, 5.5), 4)
        self.assertEqual(self.times.silence(LANE, 7.5, 9), 1.5)
        self.assertEqual(self.times.silence(OTHER, 2, 9), 7)

    def test_a_rate_counts_what_came_within(self):
        self.assertEqual(self.times.rate([LANE], 0, 2), 15)
        self.assertEqual(self.times.rate([LANE, OTHER], 6, 8), 15)
        self.assertEqual(self.times.rate([LANE], 2, 6), 0)


if __name__ == "__main__":
    unittest.main()
