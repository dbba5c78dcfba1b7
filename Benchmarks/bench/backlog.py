"""A backlog: fills it, starts on it, drains it."""

import itertools
import subprocess
import time

from rig import records
from rig.support import until

from .bench import NOWHERE
from .peers import KAFKA_PROPERTIES

# Of topics: each run has its own.
NUMBERS = itertools.count(1)


def filled(bench, node, topic="bench", size=None):
    """Adds to a backlog; whether it has its size, in bytes: the run's unless another is given."""
    bench.wrk(node.port, 16, 5, batch=True, topic=topic)
    return (node.metric("forebay_buffer_bytes") or 0) >= (size or bench.backlog)


def first_ack(node):
    """Seconds from a start to the first 202, after a kill -9 and with a cold cache."""
    node.kill()
    subprocess.run(["sync"], check=True)
    forget_pages()
    began = time.monotonic()
    node.start(ready=False)
    until("the first ack", lambda: node.post("bench", b"{}")[0] == 202, 60, every=0.002)
    return time.monotonic() - began


def forget_pages():
    """A start from a cold cache, where the right to ask for it is there."""
    try:
        with open("/proc/sys/vm/drop_caches", "w") as file:
            file.write("3")
    except OSError:
        pass


def spool_drain(bench, kafka, program=None):
    """Records per second of a backlog that stood in the spool when Kafka came; the binary under test unless another is named."""
    topic = f"ours-{next(NUMBERS)}"
    kafka.create(topic, 6)
    node = bench.node(topic, NOWHERE, topics={topic: {"key": "$.k"}}, program=program).start()
    bench.wrk(node.port, 16, bench.seconds, batch=True, topic=topic)
    backlog = int(node.metric("forebay_delivery_lag_events"))
    node.terminate()
    node.configuration["clusters"]["main"] = {"properties": kafka.client_properties(), "producer": KAFKA_PROPERTIES}
    node.start(ready=False)
    rate = arrival_rate(kafka, topic, backlog)
    bench.end(node)
    kafka.admin.delete_topics([topic])[topic].result(30)
    return rate


def arrival_rate(kafka, topic, records_expected):
    """Records per second between the first and the last that a client sees arrive."""
    watch = records.Ends(kafka.bootstrap(), topic)
    seen, first = [], None
    while not seen or seen[-1][1] < records_expected:
        total = watch.total()
        if total:
            first = first or (time.monotonic(), total)
            seen.append((time.monotonic(), total))
        if seen and time.monotonic() - first[0] > 600:
            raise TimeoutError(f"{topic}: {total} of {records_expected}")
        time.sleep(0.02)
    watch.close()
    return (seen[-1][1] - first[1]) / (seen[-1][0] - first[0])
