"""Waiting, ports, child processes: what every part of the rig needs."""

import ctypes
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


class Failure(Exception):
    """The claim under test is false."""


class Skip(Exception):
    """Something outside is missing; the message names it."""


def until(what, condition, timeout=30.0, every=0.05):
    """Polls until `condition()` is truthy and returns its value; a Failure naming `what` after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failure(f"not within {timeout:g} s: {what}")
        time.sleep(every)


def free_port():
    """A port that was free a moment ago, below the range that outgoing connections take theirs from."""
    for port in range(20000 + os.getpid() * 7 % 9000, 32000):
        if port in free_port.given:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        free_port.given.add(port)
        return port
    raise Failure("no free port")


free_port.given = set()


def _die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def spawn(command, log, **options):
    """A child that cannot outlive the rig; its output is appended to `log` (a path), or piped where asked."""
    with open(log, "ab") as output:
        options.setdefault("stdout", output)
        options.setdefault("stderr", output)
        return subprocess.Popen([str(part) for part in command], stdin=subprocess.DEVNULL, preexec_fn=_die_with_parent, **options)


def tail(path, lines=15):
    try:
        return "\n".join(Path(path).read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return ""
