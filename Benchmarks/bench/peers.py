"""What forebay is measured beside: nginx, bare C on the same libraries, librdkafka alone, a gateway in Java.

All but nginx come from a folder that PEERS_DIR names (edge.c, producer.c, gateway-java/); without it they are skipped by name.
"""

import os
import re
import shutil
import socket
import subprocess
from pathlib import Path

from rig.kafka import kafka_home
from rig.support import Failure, Skip, free_port, spawn, until

from . import HERE

LLHTTP = Path("/usr/share/llhttp")
KAFKA_PROPERTIES = {"linger.ms": "5", "batch.num.messages": "10000"}


def peer(name):
    folder = os.environ.get("PEERS_DIR")
    path = Path(folder or "", name)
    if not folder or not path.exists():
        raise Skip(f"{name} (PEERS_DIR)")
    return path


class Server:
    """A peer that listens."""

    def __init__(self, bench, name, command, port, cwd=None):
        self.port, self.name = port, name
        self.process = spawn(command, bench.folder / f"{name}.log", cwd=cwd)
        bench.closing.append(self.close)
        until(f"{name} listens", self._listens, 30)

    def _listens(self):
        if self.process.poll() is not None:
            raise Failure(f"{self.name} ended with {self.process.returncode}")
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def close(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(20)


def nginx(bench):
    if not (found := shutil.which("nginx") or shutil.which("/usr/sbin/nginx")):
        raise Skip("nginx")
    folder, port = bench.folder / "nginx", free_port()
    folder.mkdir()
    (folder / "nginx.conf").write_text((HERE / "nginx.conf").read_text().replace("PORT", str(port)))
    return Server(bench, "nginx", [found, "-p", folder, "-c", folder / "nginx.conf"], port)


def edge(bench, mode):
    """`mode`: hello, durable or direct."""
    sources = [str(LLHTTP / name) for name in ("llhttp.c", "api.c", "http.c")]
    tool = bench.tool(peer("edge.c"), "-DLLHTTP_STRICT_MODE=1", "-I/usr/share/include/llhttp", *sources, "-luv", "-lpthread")
    port = free_port()
    return Server(bench, f"edge {mode}", [tool, port, mode, bench.folder / f"edge-{mode}.data"], port)


def gateway(bench, kafka, linger=0):
    folder, port = peer("gateway-java"), free_port()
    command = ["java", "-Xmx1g", "-cp", f"{folder}/libs/*:{kafka_home()}/libs/*", folder / "Gateway.java", port, kafka.bootstrap(), linger]
    return Server(bench, "gateway-java", command, port)


def producer(bench, kafka, topic, records):
    """Records per second of librdkafka alone."""
    tool = bench.tool(peer("producer.c"), "-lrdkafka")
    properties = KAFKA_PROPERTIES | {"acks": "all", "enable.idempotence": "true", "queue.buffering.max.messages": "1000000",
                                     "queue.buffering.max.kbytes": "32768"}
    done = subprocess.run([str(tool), kafka.bootstrap(), topic, str(records), "200", *(f"{k}={v}" for k, v in properties.items())],
                          capture_output=True, text=True)
    if done.returncode:
        raise Failure(f"producer: {done.stdout}{done.stderr}")
    return float(re.match(r"(\d+) records/s", done.stdout)[1])
