"""A forebay under test: its configuration, its process, what it says of itself."""

import base64
import contextlib
import json
import os
import signal
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

from .support import ROOT, Failure, Skip, free_port, spawn, tail, until


def binary():
    """SCENARIO_BINARY, else what was built last."""
    given = os.environ.get("SCENARIO_BINARY")
    built = [Path(given)] if given else [ROOT / f".build/{kind}/forebay" for kind in ("release", "debug")]
    found = [path for path in built if path.exists()]
    if not found:
        raise Skip(f"the binary ({' or '.join(map(str, built))})")
    return max(found, key=lambda path: path.stat().st_mtime)


def aside(text):
    """The units in an answer about what is set aside, by their names, a mirror's with its stage: `orders/3@mirror`; none where the answer is
    another."""
    routes = json.loads(text or "{}").get("routes", [])
    return {unit["unit"] + beside(route, "@"): unit | {"route": route["route"]} for route in routes for unit in route.get("units", [])}


def beside(row, mark):
    """What names a delivery beside its route: nothing of a forward."""
    return "" if row["stage"] == "forward" else f"{mark}{row['stage']}"


class Node:
    """`clusters`: librdkafka's properties by name. `routes`, `topics` and `delivery` as in the configuration; `spool` and `limits` over the
    defaults; `program` where it is not the binary under test."""

    def __init__(self, folder, clusters, *, data=None, routes=None, topics=None, spool=None, limits=None, delivery=None, program=None):
        self.folder, self.data, self.program = Path(folder), Path(data or Path(folder) / "data"), program
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port, self.admin_port = free_port(), free_port()
        self.process, self.pid, self.starts, self.clusters = None, None, 0, clusters
        self.log = self.folder / "forebay.log"
        self.configuration = {
            "version": 1,
            "node": {"name": "rig", "data_dir": str(self.data)},
            "listeners": {"ingest": {"address": f"127.0.0.1:{self.port}"}, "admin": {"address": f"127.0.0.1:{self.admin_port}"}},
            "log": {"level": "info", "format": "json"},
            "clusters": {name: {"properties": properties} for name, properties in clusters.items()},
            "buffer": {"backend": "spool", "spool": {"max_size": "2GiB"} | (spool or {})},
            "routes": routes or {"default": {"topics": ["*"], "forward": {"to": "main"}}},
        } | {name: part for name, part in (("topics", topics), ("limits", limits), ("delivery", delivery)) if part}

    def away(self, away=True):
        """From the next start on the clusters are where nobody answers; or where they were."""
        nobody = {"bootstrap.servers": f"127.0.0.1:{free_port()}"}
        for name, properties in self.clusters.items():
            self.configuration["clusters"][name] = {"properties": properties | nobody if away else properties}
        return self

    @property
    def file(self):
        path = self.folder / "forebay.yaml"
        path.write_text(json.dumps(self.configuration, indent=2))  # JSON is YAML
        return path

    def start(self, under=(), ready=True, timeout=60, environment=None):
        """`under`: a command to run it under, such as strace; the process that signals go to is forebay itself all the same."""
        self.process = spawn([*under, self.program or binary(), "run", "--config", self.file], self.log,
                             env=os.environ | {"SWIFT_BACKTRACE": "enable=no"} | (environment or {}))
        self.starts += 1
        self.pid = self.process.pid
        if under:
            self.pid = until("the traced process started", self._traced, 20)
        if ready:
            until("readyz", self.ready, timeout)
        return self

    def _traced(self):
        """The child that runs forebay. strace also forks short-lived children of its own, which carry its command line, not ours."""
        ours = str(self.program or binary())
        for child in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split():
            with contextlib.suppress(OSError):  # gone already
                words = Path(f"/proc/{child}/cmdline").read_text().split("\0")
                if ours in words[:2]:  # second where the binary is a script
                    return int(child)
        return self.alive() and None

    def alive(self):
        if self.process.poll() is not None:
            raise Failure(f"forebay ended with {self.process.returncode}:\n{tail(self.log)}")
        return True

    def ready(self):
        return self.alive() and self.get("/readyz")[0] == 200

    def running(self):
        return self.process is not None and self.process.poll() is None

    # Ending it

    def signal(self, number):
        os.kill(self.pid, number)

    def kill(self):
        with contextlib.suppress(ProcessLookupError):  # it may have ended between the question and the signal
            if self.running():
                self.signal(signal.SIGKILL)
        self.process.wait(30)

    def terminate(self, timeout=40):
        """SIGTERM and its exit code."""
        if self.running():
            self.signal(signal.SIGTERM)
        return self.ended(timeout)

    def ended(self, timeout=40):
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise Failure(f"forebay still runs after {timeout} s:\n{tail(self.log)}") from None

    def close(self):
        if self.running():
            self.kill()

    # Asking it

    def get(self, path, port=None, method="GET", body=None, headers=None):
        """(status, text); status 0 when nobody answers."""
        request = urllib.request.Request(f"http://127.0.0.1:{port or self.admin_port}{path}", data=body, method=method, headers=headers or {})
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def post(self, topic, body, **headers):
        """One event by the plain way; header names with underscores for dashes."""
        headers = {"Content-Type": "application/octet-stream"} | {k.replace("_", "-"): str(v) for k, v in headers.items()}
        return self.get(f"/v1/topics/{topic}", port=self.port, method="POST", body=body, headers=headers)

    def status(self):
        return json.loads(self.get("/admin/v1/status")[1] or "{}")

    def metric(self, name, **labels):
        """The sum over all series of that name that carry these labels; None when there is none."""
        found = None
        for line in self.get("/metrics")[1].splitlines():
            series, _, value = line.rpartition(" ")
            if series.partition("{")[0] == name and all(f'{k}="{v}"' in series for k, v in labels.items()):
                found = (found or 0) + float(value)
        return found

    def units(self):
        """What is set aside, by the unit's name: a topic, or topic/partition, and `@mirror`. All deliveries together."""
        return aside(self.get("/admin/v1/setaside")[1])

    def units_on_disk(self):
        """The same of a node that is down."""
        done = self.command("setaside", "ls", "--dir", self.data, "--json")
        if done.returncode:
            raise Failure(f"setaside ls --dir: {done.stdout}{done.stderr}")
        return aside(done.stdout)

    def logged(self, message, **fields):
        """The log's entries with that message and these fields."""
        entries = (json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{") and line.endswith("}"))
        return [entry for entry in entries if entry.get("msg") == message and fields.items() <= entry.items()]

    def dead_letters(self):
        """Every one, with `topic`, `code`, `reason` and the original `value` as bytes."""
        letters = []
        for route in json.loads(self.get("/admin/v1/deadletters")[1])["routes"]:
            after, name = "", route["route"] + beside(route, "/")
            while True:
                page = json.loads(self.get(f"/admin/v1/deadletters?route={name}&limit=500{after}")[1])
                for letter in page["dead_letters"]:
                    text = letter.get("value")
                    letters.append(letter | {"value": text.encode() if text is not None else base64.b64decode(letter["value_base64"])})
                if page.get("next") is None:
                    break
                after = f"&after={page['next']}"
        return letters

    def missing(self):
        """The ranges of sequences that it says can't be read any more."""
        return [range(gap["first"], gap["end"]) for gap in self.status()["buffer"]["missing"]]

    def segments(self):
        return sorted((self.data / "spool/segments").glob("*.segment"))

    def lag(self, route, stage="forward"):
        """How many events of a route are neither delivered nor set aside."""
        return self.metric("forebay_delivery_lag_events", stage=stage, route=route, way="direct")

    def delivery(self, route, stage="forward"):
        """The row of `status` about one delivery; none: it has none."""
        return next((row for row in self.status()["routes"] if (row["route"], row["stage"]) == (route, stage)), None)

    def drained(self):
        """True when nothing accepted is left to deliver, by its own account. The checker does not rely on it."""
        return self.running() and self.metric("forebay_delivery_lag_events") == 0

    def resident(self):
        """Bytes of memory held."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")

    def open_files(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def command(self, *arguments, **options):
        """Runs another of forebay's commands."""
        return subprocess.run([self.program or binary(), *map(str, arguments)], capture_output=True, text=True, timeout=300,
                              env=os.environ | {"SWIFT_BACKTRACE": "enable=no"}, **options)
