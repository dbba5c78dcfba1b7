"""Runs tests out of a built bundle, and stops at the first that fails, crashes or hangs.

`swift test` runs all whatever happens, so the bundle is started itself. It writes what happens as JSON lines, which are read along.
"""

import json
import os
import re
import resource
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from mutator import configuration

POLL = 0.02


@dataclass
class Verdict:
    how: str  # passes, fails, crashes, hangs
    test: str = ""  # that did
    reason: str = ""
    seconds: dict = field(default_factory=dict)  # by test


class Bundle:
    def __init__(self, program, folder, real_kafka=False, variables=None):
        self.program, self.folder = Path(program), Path(folder)
        self.environment = os.environ | {"SWIFT_BACKTRACE": "enable=no", "TMPDIR": f"{self.folder}/"} | (variables or {})
        if not real_kafka:
            self.environment.pop("KAFKA_HOME", None)

    def run(self, only, skipped=(), usual=None):
        """Runs the tests that one of the expressions `only` finds, without those that one of `skipped` does.

        - usual: how many seconds each test takes; without it none is taken for one that hangs.
        """
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        events = self.folder / "events.jsonl"
        command = [str(self.program), "--testing-library", "swift-testing", "--no-parallel"]
        command += [part for expression in only for part in ("--filter", expression)]
        command += [part for expression in skipped for part in ("--skip", expression)]
        command += ["--event-stream-output-path", str(events), "--event-stream-version", "0"]
        with open(self.folder / "output", "wb") as output:
            process = subprocess.Popen(
                command, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=self.environment,
                cwd=self.folder, start_new_session=True, preexec_fn=bounded)
        try:
            return self.follow(process, events, usual)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def follow(self, process, events, usual):
        course = Course()
        offset, rest = 0, b""
        while True:
            ended = process.poll() is not None  # Asked first: what was written before the end is read after it.
            if events.exists():
                with open(events, "rb") as file:
                    file.seek(offset)
                    rest += file.read()
                    offset = file.tell()
                *lines, rest = rest.split(b"\n")
                for line in lines:
                    course.take(json.loads(line))
            if course.failure:
                return Verdict("fails", *course.failure, course.seconds)
            if ended:
                break
            if usual is not None and course.waited() > allowed(usual.get(course.running, 0)):
                return Verdict("hangs", course.running, f"no end after {course.waited():.0f} s", course.seconds)
            if resident(process) > configuration.MEMORY:
                return Verdict("crashes", course.running, f"more than {configuration.MEMORY >> 30} GiB of memory", course.seconds)
            time.sleep(POLL)
        if process.returncode == 0 and course.has_ended:
            return Verdict("passes", seconds=course.seconds)
        code = process.returncode
        reason = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit {code} without a result"
        return Verdict("crashes", course.running, f"{reason}: {self.last_words()}", course.seconds)

    def last_words(self):
        lines = (self.folder / "output").read_text(errors="replace").splitlines()
        fatal = [line for line in lines if "Fatal error" in line or "rror:" in line]
        return (fatal or lines or [""])[-1].strip()[:200]


class Course:
    """What the events of one run come to."""

    def __init__(self):
        self.failure = None
        self.running = ""
        self.since = time.monotonic()
        self.began = {}
        self.seconds = {}
        self.has_ended = False

    def waited(self):
        return time.monotonic() - self.since

    def take(self, record):
        payload = record["payload"]
        if record["kind"] != "event":
            return
        test = name(payload.get("testID", ""))
        kind, at = payload["kind"], payload["instant"]["absolute"]
        if kind == "testStarted" and is_function(test):
            self.running, self.since, self.began[test] = test, time.monotonic(), at
        elif kind == "testEnded" and test in self.began:
            self.running, self.since, self.seconds[test] = "", time.monotonic(), at - self.began[test]
        elif kind == "runEnded":
            self.has_ended = True
        elif kind == "issueRecorded" and not payload.get("issue", {}).get("isKnown") and not is_warning(payload):
            text = " ".join(message["text"] for message in payload.get("messages", []))
            self.failure = self.failure or (test or self.running, text[:300])


def is_warning(payload):
    issue = payload.get("issue", {})
    return issue.get("isFailure") is False or issue.get("_severity", issue.get("severity")) == "warning"


def name(test):
    """`Module.Suite/function()`, without the place in a file."""
    return re.sub(r"/\w+\.swift:\d+:\d+$", "", test)


def is_function(test):
    return test.endswith(")")


def exactly(test):
    """The expression that finds one test."""
    return f"^{re.escape(test)}(/|$)" if test else ""


def allowed(usual):
    return configuration.HANG_SECONDS + configuration.HANG_FACTOR * usual


def resident(process):
    """Bytes of memory that a process holds. Bounding its addresses instead would bound its threads, too."""
    try:
        return int(Path(f"/proc/{process.pid}/statm").read_text().split()[1]) * resource.getpagesize()
    except (OSError, IndexError):
        return 0


def bounded():
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (configuration.FILE_SIZE, configuration.FILE_SIZE))
