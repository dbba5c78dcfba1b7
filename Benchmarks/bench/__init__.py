"""Measures forebay beside what else could stand in its place, on one machine in one run. Only ratios of one run count."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
ROOT = HERE.parent
sys.path.insert(0, str(ROOT / "Tests/scenarios"))  # the rig: it starts Kafka and forebay
