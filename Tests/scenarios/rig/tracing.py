"""strace as a fault injector and as a witness of the order of system calls."""

import contextlib
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from .support import Skip, spawn, until

LINE = re.compile(r"^(\d+) +(\d+\.\d+) (.*)$")


def strace(output, *options):
    """The command to run a node under."""
    if not shutil.which("strace"):
        raise Skip("strace")
    return ["strace", "-f", "-y", "-ttt", "--seccomp-bpf", "-qq", "-o", str(output), *options]


@contextlib.contextmanager
def attached(rig, node, output, *options):
    """While inside, a node that runs already is watched, or given faults."""
    child = spawn([*strace(output, *options), "-p", node.pid], Path(f"{output}.log"))
    rig.closing.append(lambda: child.poll() is None and child.kill())
    until("strace watches", lambda: "TracerPid:\t0" not in Path(f"/proc/{node.pid}/status").read_text())
    try:
        yield
    finally:
        child.terminate()
        child.wait(20)


@dataclass
class Call:
    began: float
    ended: float
    thread: int
    name: str
    text: str  # arguments and result as strace prints them

    @property
    def result(self):
        return self.text.rpartition(" = ")[2]

    @property
    def failed(self):
        return self.result.startswith("-1")

    @property
    def descriptor_path(self):
        """The path of a call's first argument, by -y."""
        found = re.match(r"\w+\(\d+<([^>]*)>", self.text)
        return found and found[1]

    @property
    def result_path(self):
        found = re.match(r"\d+<([^>]*)>", self.result)
        return found and found[1]

    def paths(self):
        """Every path in the arguments; one that is looked up from a folder's descriptor, with that folder's, by -y."""
        found = re.findall(r'(?:(?:\d+|AT_FDCWD)<([^>]*)>, )?"((?:[^"\\]|\\.)*)"', self.text)
        return [os.path.normpath(os.path.join(folder, path)) if folder else path for folder, path in found]


def calls(output):
    """Every finished call, in the order of their ends; halves of one call are put together."""
    pending = {}
    with open(output, errors="replace") as lines:
        for line in lines:
            matched = LINE.match(line)
            if not matched:
                continue
            thread, at, text = int(matched[1]), float(matched[2]), matched[3]
            began = at
            if text.endswith("<unfinished ...>"):
                pending[thread] = (at, text.removesuffix("<unfinished ...>"))
                continue
            if text.startswith("<... "):
                if thread not in pending:
                    continue
                began, head = pending.pop(thread)
                text = head + text.partition("resumed>")[2]
            if " = " in text and "(" in text:
                yield Call(began, at, thread, text.partition("(")[0], text)
