"""This build against an earlier one (EARLIER_BINARY): rates in pairs, instructions under callgrind, and a route that idles beside a backlog."""

import itertools
import os
import re
import shutil
import socket
import statistics
import subprocess
import time
from pathlib import Path

from confluent_kafka import Consumer, TopicPartition
from rig.node import binary
from rig.support import until

from .backlog import filled, first_ack, spool_drain
from .bench import LINES, NOWHERE, Failure, Skip
from .peers import KAFKA_PROPERTIES

PAIRS = 15
RUNS = 3  # of each count of instructions
CONNECTIONS = 8
WAITING = 4 << 30  # bytes of another route beside the idle one
# Few events and many, by what is counted. The difference is what the events cost: the start and the end are in both.
COUNTS = {"singles": (1_000, 5_000), "ndjson": (20_000, 100_000), "drain": (50_000, 250_000)}


def builds():
    path = os.environ.get("EARLIER_BINARY")
    if not path or not Path(path).exists():
        raise Skip("an earlier build to compare with (EARLIER_BINARY)")
    return {"this": released(binary()), "earlier": released(Path(path).resolve())}


def released(program):
    """A build by dev/build: any other has checks in it, and calls its runtime in another way, which costs up to a tenth."""
    if "libswiftCore" in subprocess.run(["readelf", "-d", program], check=True, capture_output=True, text=True).stdout:
        raise Failure(f"{program} was not built by dev/build")
    return str(program)


def compared(bench, name, found, slower=False):
    """Says all pairs; the median of their ratios, above one where this build is faster."""
    ratios = [b / a if slower else a / b for a, b in zip(found["this"], found["earlier"])]
    medians = {build: statistics.median(values) for build, values in found.items()}
    bench.say(f"{name}: {medians['this']:,.4g}, earlier {medians['earlier']:,.4g}, ratio {statistics.median(ratios):.3f}; pairs "
              + " ".join(f"{ratio:.2f}" for ratio in ratios))
    return {"medians": medians, "ratio": statistics.median(ratios), "ratios": ratios, "runs": found}


# Rates, in pairs


def singles(bench, programs):
    nodes = {build: bench.node(f"singles-{build}", NOWHERE, topics={}, program=program).start() for build, program in programs.items()}
    for node in nodes.values():
        bench.wrk(node.port, 128, 1)
    found = bench.side_by_side({build: lambda n=node: bench.wrk(n.port, 128) for build, node in nodes.items()}, PAIRS)
    bench.end(*nodes.values())
    return compared(bench, "single POSTs/s, 128 connections", found)


def ndjson(bench, programs):
    nodes = {build: bench.node(f"ndjson-{build}", NOWHERE, program=program).start() for build, program in programs.items()}
    for node in nodes.values():
        bench.wrk(node.port, 16, 1, batch=True)
    found = bench.side_by_side({build: lambda n=node: LINES * bench.wrk(n.port, 16, 2, batch=True) for build, node in nodes.items()}, PAIRS)
    bench.end(*nodes.values())
    return compared(bench, "NDJSON events/s", found)


def drain(bench, programs, kafka):
    found = bench.side_by_side({build: lambda p=program: spool_drain(bench, kafka, p) for build, program in programs.items()}, PAIRS)
    return compared(bench, "spool to Kafka, records/s", found)


def start(bench, programs):
    """Seconds from a start to the first 202, with a cold cache, after a kill -9."""
    nodes = {build: bench.node(f"start-{build}", NOWHERE, program=program).start() for build, program in programs.items()}
    for node in nodes.values():
        until(f"a backlog of {bench.backlog >> 30} GiB stands", lambda n=node: filled(bench, n), 1800)

    for node in nodes.values():
        first_ack(node)  # an earlier format is converted once
    found = bench.side_by_side({build: lambda n=node: first_ack(n) for build, node in nodes.items()}, PAIRS)
    counts = {build: [] for build in programs}
    for node in nodes.values():
        node.kill()
    for _ in range(RUNS):
        for build, node in nodes.items():
            counts[build].append(counted(node, lambda n: n.post("bench", b"{}")))
    bench.end(*nodes.values())
    return compared(bench, f"start with {bench.backlog >> 30} GiB, s", found, slower=True) | {"instructions": of_event(bench, "start", counts, 1)}


# Instructions


def counted(node, work):
    """All instructions of a process that starts, does the work and ends."""
    out, program, native = node.folder / "callgrind.out", node.folder / "counted", node.program
    out.unlink(missing_ok=True)
    # valgrind can't read the debug information of this compiler.
    subprocess.run(["objcopy", "--strip-debug", native, node.folder / "stripped"], check=True)
    program.write_text(f'#!/bin/sh\nexec valgrind --tool=callgrind --fair-sched=yes --callgrind-out-file={out} {node.folder}/stripped "$@"\n')
    program.chmod(0o755)
    node.program = program
    node.start(timeout=300)
    work(node)
    node.terminate(300)
    node.program = native
    total = re.search(r"^(?:summary|totals): (\d+)", out.read_text(), re.MULTILINE)
    if not total:
        raise Failure(f"callgrind wrote no total: {out}")
    return int(total[1])


def of_event(bench, name, counts, events):
    each = {build: statistics.median(values) / events for build, values in counts.items()}
    ratio = each["this"] / each["earlier"]
    runs = {build: [round(value / events) for value in values] for build, values in counts.items()}
    per = " an event" if events > 1 else ""
    bench.say(f"{name}: {each['this']:,.0f} instructions{per}, earlier {each['earlier']:,.0f}: {ratio:.3f}; runs {runs}")
    return {"each": each, "ratio": ratio, "runs": runs}


def instructions(bench, programs, kafka):
    """What one more event costs, by name of what is counted."""
    def posted(program, batch, events):
        node = bench.node(f"counted-{time.monotonic_ns()}", NOWHERE, program=program)
        total = counted(node, lambda n: posts(bench, n.port, events, batch))
        bench.end(node)
        return total

    def drained(program, events):
        topic = f"counted-{next(numbers)}"
        kafka.create(topic, 6)
        node = bench.node(topic, NOWHERE, topics={topic: {"key": "$.k"}}, program=program).start()
        posts(bench, node.port, events, True, topic)
        node.terminate()
        node.configuration["clusters"]["main"] = {"properties": kafka.client_properties(), "producer": KAFKA_PROPERTIES}
        total = counted(node, lambda n: until("all is delivered", n.drained, 600, every=0.5))
        bench.end(node)
        return total

    numbers = itertools.count(1)
    ways = {"singles": lambda p, n: posted(p, False, n), "ndjson": lambda p, n: posted(p, True, n), "drain": drained}
    found = {}
    for name, way in ways.items():
        few, many = COUNTS[name]
        counts = {build: [] for build in programs}
        for _ in range(RUNS):
            for build, program in programs.items():
                counts[build].append(way(program, many) - way(program, few))
        found[name] = of_event(bench, name, counts, many - few)
    return found


def posts(bench, port, events, batch, topic="bench"):
    """The same requests each time: one on each connection, then all answers, then the next."""
    body = bench.lines.read_bytes() if batch else bench.single.read_bytes()
    kind = "application/x-ndjson" if batch else "application/octet-stream"
    head = f"POST /v1/topics/{topic} HTTP/1.1\r\nHost: forebay\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    left = events // LINES if batch else events
    sockets = [socket.create_connection(("127.0.0.1", port)) for _ in range(CONNECTIONS)]
    while left > 0:
        now = sockets[:left]
        left -= len(now)
        for connection in now:
            connection.sendall(head + body)
        for connection in now:
            answer = b""
            while b"\r\n\r\n" not in answer:
                answer += connection.recv(65536)
            if b" 202 " not in answer[:16]:
                raise Failure(f"answered {answer[:200]}")
            length = int(re.search(rb"content-length: (\d+)", answer, re.IGNORECASE)[1]) + answer.index(b"\r\n\r\n") + 4
            while len(answer) < length:
                answer += connection.recv(65536)
    for connection in sockets:
        connection.close()


# A route that idles beside a backlog


def idle(bench, programs, kafka):
    """Milliseconds from a POST on an idle route to a consumer: alone, while 4 GiB of another route wait, and first thing after a kill -9 where
    that route had an event waiting from before the other's."""
    kafka.create("idle", 1)
    found = {}
    for build, program in programs.items():
        node = bench.node(
            f"idle-{build}", NOWHERE, clusters={"live": kafka.client_properties()}, program=program, topics={"busy": {"key": "$.k"}},
            routes={"busy": {"topics": ["busy"], "forward": {"to": "main"}}, "idle": {"topics": ["idle"], "forward": {"to": "live"}}}).start()
        alone = [arrival(kafka, node) for _ in range(PAIRS)]
        until("a backlog of another route stands", lambda: filled(bench, node, "busy", WAITING), 600)
        running = [arrival(kafka, node) for _ in range(PAIRS)]
        bench.end(node)
        node.configuration["clusters"]["live"]["properties"] = NOWHERE
        node.folder.mkdir()
        node.start().post("idle", b"before")
        until("a backlog of another route stands", lambda: filled(bench, node, "busy", WAITING), 600)
        node.kill()
        node.configuration["clusters"]["live"]["properties"] = kafka.client_properties()
        node.data.rename(node.folder / "kept")
        behind = []
        for _ in range(RUNS):
            shutil.copytree(node.folder / "kept", node.data)
            node.start()
            behind.append(arrival(kafka, node))
            node.kill()
            shutil.rmtree(node.data)
        bench.end(node)
        found[build] = {"alone": alone, "running": running, "behind": behind}
        bench.say(f"idle route, {build}: " + ", ".join(f"{name} {statistics.median(ms):.1f} ms (worst {max(ms):.1f})"
                                                       for name, ms in found[build].items()))
    return found


def arrival(kafka, node):
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap(), "group.id": "bench", "enable.auto.commit": False, "fetch.wait.max.ms": 1000})
    try:
        _, end = consumer.get_watermark_offsets(TopicPartition("idle", 0), timeout=10)
        consumer.assign([TopicPartition("idle", 0, end)])
        consumer.poll(0.3)  # it waits at the broker by now
        began = time.monotonic()
        if node.post("idle", b"now")[0] != 202:
            raise Failure("the idle route's event was not taken")
        while not (message := consumer.poll(60)) or message.error() or message.value() != b"now":
            if time.monotonic() - began > 60:
                raise Failure("the idle route's event did not arrive")
        return (time.monotonic() - began) * 1000
    finally:
        consumer.close()
