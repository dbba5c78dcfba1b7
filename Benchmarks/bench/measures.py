"""The measures, one function each: what the issue asks, what came out, whether the goal is met."""

import itertools
import statistics
import subprocess
import time

from rig.support import until

from . import copies, earlier, peers
from .backlog import arrival_rate, filled, first_ack, spool_drain
from .bench import NOWHERE, Failure, Lags, Resident, Skip, drained, median_ratio

MIB = 1 << 20
# Of topics: each run has its own.
NUMBERS = itertools.count(1)


def optional(bench, make):
    """A peer, or None and a line that says what was skipped."""
    try:
        return make()
    except Skip as missing:
        bench.skipped.append(str(missing))
        bench.say(f"skipped: {missing}")
        return None


def singles(bench):
    """Durable single POSTs of 200 B against nginx that answers 202 and stores nothing (no Kafka: the backlog stays)."""
    servers = {"nginx": peers.nginx(bench)}
    for mode in ("hello", "durable", "direct"):
        if server := optional(bench, lambda mode=mode: peers.edge(bench, mode)):
            servers[f"edge {mode}"] = server
    servers["forebay"] = node = bench.node("singles", NOWHERE, topics={}).start()
    rows = []
    for connections in (1, 8, 32, 128, 512):
        for server in servers.values():
            bench.wrk(server.port, connections, 1)  # warm
        found = bench.side_by_side({name: lambda s=s: bench.wrk(s.port, connections) for name, s in servers.items()})
        row = {"connections": connections, "rates": {name: statistics.median(v) for name, v in found.items()},
               "ratios": {name: median_ratio(v, found["nginx"]) for name, v in found.items()}, "runs": found}
        rows.append(row)
        bench.say(f"{connections:4} connections: " + ", ".join(f"{n} {row['rates'][n]:,.0f} ({row['ratios'][n]:.2f})" for n in servers))
    # wrk repeats one head, which forebay need not parse again. Many producers do; here is what it is for those that don't.
    varied = bench.side_by_side({name: lambda s=servers[name]: bench.wrk(s.port, 128, varied=True) for name in ("nginx", "forebay")})
    found = {"rates": {name: statistics.median(v) for name, v in varied.items()}, "ratio": median_ratio(varied["forebay"], varied["nginx"])}
    bench.say(f" 128 connections, each head another: nginx {found['rates']['nginx']:,.0f}, forebay {found['rates']['forebay']:,.0f} "
              f"({found['ratio']:.2f})")
    bench.end(node)
    for server in servers.values():
        if server is not node:
            server.close()
    ratio = next(row["ratios"]["forebay"] for row in rows if row["connections"] == 128)
    return {"rows": rows, "varied": found | {"runs": varied}, "goals": [goal("durable single POSTs, 128 connections, of nginx", ratio, 0.75)]}


def ndjson(bench):
    """Durable NDJSON of 1,000 x 200 B with JSON checked, against 1 MiB writes with fdatasync into written blocks."""
    disk = bench.own_tool("disk")
    node = bench.node("ndjson", NOWHERE).start()
    bench.wrk(node.port, 16, 1, batch=True)
    found = bench.side_by_side({
        "forebay": lambda: bench.wrk(node.port, 16, batch=True) * 1000 * 200,
        "disk": lambda: float(subprocess.run([disk, bench.folder / "disk", str(bench.seconds)], capture_output=True, check=True).stdout)})
    bench.end(node)
    rate, ceiling = statistics.median(found["forebay"]) / 200, statistics.median(found["disk"]) / 200
    ratio = median_ratio(found["forebay"], found["disk"])
    bench.say(f"{rate:,.0f} events/s ({rate * 200 / 1e6:,.0f} MB/s), the disk {ceiling * 200 / 1e6:,.0f} MB/s: {ratio:.2f}")
    wanted = min(0.7 * ceiling, 1_200_000)
    return {"events_per_second": rate, "disk_bytes_per_second": ceiling * 200, "ratio": ratio, "runs": found,
            "goals": [goal("durable NDJSON events/s, of 0.7 of the disk or 1.2 M", rate / wanted, 1.0)]}


def drain(bench):
    """Spool to Kafka, against librdkafka alone with the same properties, key and id header."""
    kafka = bench.kafka()

    def theirs():
        topic = f"theirs-{next(NUMBERS)}"
        kafka.create(topic, 6)
        rate = peers.producer(bench, kafka, topic, 400_000 * bench.seconds)
        kafka.admin.delete_topics([topic])[topic].result(30)
        return rate

    peers.peer("producer.c")
    found = bench.side_by_side({"forebay": lambda: spool_drain(bench, kafka), "librdkafka": theirs})
    bench.end(kafka)
    ratio = median_ratio(found["forebay"], found["librdkafka"])
    rates = {name: statistics.median(values) for name, values in found.items()}
    bench.say(f"forebay {rates['forebay']:,.0f} records/s, librdkafka alone {rates['librdkafka']:,.0f}: {ratio:.2f}")
    return {"rates": rates, "ratio": ratio, "runs": found, "goals": [goal("spool to Kafka, of librdkafka alone", ratio, 0.8)]}


def setaside(bench):
    """What was set aside goes to Kafka against the same from the spool."""
    kafka = bench.kafka(settings={"auto.create.topics.enable": "false"})
    found = bench.side_by_side({"set aside": lambda: aside_drain(bench, kafka), "direct": lambda: spool_drain(bench, kafka)})
    ratio = median_ratio(found["set aside"], found["direct"])
    rates = {name: statistics.median(values) for name, values in found.items()}
    bench.say(f"set aside {rates['set aside']:,.0f} records/s, direct {rates['direct']:,.0f}: {ratio:.2f}")
    result = {"rates": rates, "ratio": ratio, "runs": found, "goals": [goal("what was set aside to Kafka, of the direct rate", ratio, 0.5)]}
    bench.end(kafka)
    return result


def aside_drain(bench, kafka):
    """Records per second of a backlog that was set aside because its topic was missing, from the topic's creation on."""
    topic = f"aside-{next(NUMBERS)}"
    node = bench.node(topic, kafka.client_properties(), topics={topic: {"key": "$.k"}}, producer=peers.KAFKA_PROPERTIES,
                      delivery={"set_aside": {"retry": "1s"}}).start()
    bench.wrk(node.port, 16, bench.seconds, batch=True, topic=topic)
    until("all is set aside", lambda: node.metric("forebay_delivery_lag_events", way="direct") == 0, 300)
    backlog = int(node.metric("forebay_set_aside_events"))
    kafka.create(topic, 6)
    rate = arrival_rate(kafka, topic, backlog)
    bench.end(node)
    kafka.admin.delete_topics([topic])[topic].result(30)
    return rate


def mirror(bench):
    """A mirror that keeps up, on top of the forward of its route: CPU time, and what is read of a backlog of both."""
    with copies.Copies(bench) as made:
        read, cpu = copies.reading(bench, made), copies.cpu(bench, made)
    return {"cpu": cpu, "read": read,
            "goals": [goal("CPU of a mirror that keeps up, of the forward's", cpu["of_forward"], 0.8, at_most=True),
                      goal("bytes read of a backlog for both, of those for the forward alone", read["ratio"], 1.05, at_most=True)]}


def mirrorcounts(bench):
    """The same by instructions under callgrind: as events come, and with a backlog of both."""
    with copies.Copies(bench) as made:
        counts = copies.instructions(bench, made)
    return counts | {"goals": [goal(f"instructions of a mirror {way}, of the forward's", counts[name]["of_forward"], 0.8, at_most=True)
                               for name, way in (("live", "that keeps up"), ("backlog", "with a backlog"))]}


def endtoend(bench):
    """HTTP to Kafka, against a gateway in Java that answers after Kafka's acknowledgement and keeps nothing."""
    kafka = bench.kafka()
    kafka.create("bench", 6)
    java = peers.gateway(bench, kafka)
    node = bench.node("endtoend", kafka.client_properties(), topics={}).start()
    goals, rows = [], {}
    for name, connections, batch, least in (("single POSTs, 128 connections", 128, False, 1.0), ("NDJSON, 16 connections", 16, True, 0.7)):
        lags = []

        def ours():
            began = time.monotonic()
            rate = bench.wrk(node.port, connections, bench.seconds * 2, batch=batch)
            took = time.monotonic() - began
            lags.append(node.metric("forebay_delivery_lag_events"))
            return rate * took / (took + drained(node)) * (1000 if batch else 1)

        def theirs():
            return bench.wrk(java.port, connections, bench.seconds * 2, batch=batch) * (1000 if batch else 1)

        bench.wrk(java.port, connections, 10, batch=batch)
        bench.wrk(node.port, connections, 2, batch=batch)
        drained(node)
        found = bench.side_by_side({"forebay": ours, "gateway-java": theirs})
        rates = {k: statistics.median(v) for k, v in found.items()}
        held = sustained(bench, node, rates["forebay"], connections, batch)
        ratio = held["rate"] / rates["gateway-java"]
        rows[name] = {"rates": rates | {"forebay, lag not growing": held["rate"]}, "ratio": ratio, "lag_at_the_end": lags, "held": held,
                      "runs": found}
        bench.say(f"{name}: forebay {rates['forebay']:,.0f} events/s at most, {held['rate']:,.0f} with a lag of {held['lag']:,.0f} events that "
                  f"does not grow, gateway-java {rates['gateway-java']:,.0f}: {ratio:.2f}")
        goals.append(goal(f"end to end, {name}, the lag not growing, of gateway-java", ratio, least))
    java.close()
    bench.end(node, kafka)
    return {"rows": rows, "goals": goals}


def sustained(bench, node, most, connections, batch):
    """The highest of some rates, in events per second, at which the lag does not grow for ten seconds."""
    events, seconds = 1000 if batch else 1, 10
    for share in (1, 0.9, 0.8, 0.7, 0.6, 0.5):
        with Lags(node) as lags:
            run = bench.pace(node.port, connections, most * share / events, seconds, batch=batch)
        drained(node)
        half, end = lags.mean(0.3, 0.6), lags.mean(0.7, 1)
        # Noise aside: less than a twentieth of what came in between is left over.
        if end - half < 0.05 * most * share * seconds * 0.35:
            return {"rate": run["rate"] * events, "lag": end, "lags": lags.seen, "answers": run}
        bench.say(f"at {most * share:,.0f} events/s the lag grows from {half:,.0f} to {end:,.0f}")
    raise Failure("no rate was found at which the lag does not grow")


def latency(bench):
    """The answer's latency at half the maximum rate, by an open loop, Kafka delivering; and the memory held."""
    kafka = bench.kafka()
    kafka.create("bench", 6)
    node = bench.node("latency", kafka.client_properties(), topics={}).start()
    until("it is idle", node.drained)
    idle = node.resident()
    with Resident(node) as loaded:
        most = statistics.median(bench.wrk(node.port, 128) for _ in range(3))
        drained(node)
        bench.wrk(node.port, 16, bench.seconds * 2, batch=True)
        drained(node)
    runs = [bench.pace(node.port, 128, int(most / 2), 5) for _ in range(bench.pairs)]
    p99 = statistics.median(run["p99"] for run in runs)
    bench.say(f"at {most / 2:,.0f} of {most:,.0f}/s: p50 {statistics.median(r['p50'] for r in runs):.2f} ms, p99 {p99:.2f} ms, "
              f"p99.9 {statistics.median(r['p999'] for r in runs):.2f} ms; {idle / MIB:.0f} MiB idle, {loaded.largest / MIB:.0f} MiB at most")
    drained(node)
    bench.end(node, kafka)
    return {"most": most, "runs": runs, "p99": p99, "idle": idle, "loaded": loaded.largest,
            "goals": [goal("p99 at half the maximum rate, ms", p99, 5, at_most=True), goal("RSS idle, MB", idle / 1e6, 50, at_most=True),
                      goal("RSS under load, MB", loaded.largest / 1e6, 150, at_most=True)]}


def start(bench):
    """First ack after a kill -9 with a backlog, and the memory while that is drained."""
    kafka = bench.kafka()
    kafka.create("bench", 6)
    node = bench.node("start", NOWHERE).start()
    with Resident(node) as filling:
        until(f"a backlog of {bench.backlog >> 30} GiB stands", lambda: filled(bench, node), 1800)
    held = node.metric("forebay_buffer_bytes")
    firsts = [first_ack(node) for _ in range(bench.pairs)]
    first = max(firsts)
    node.terminate()
    node.configuration["clusters"]["main"] = {"properties": kafka.client_properties(), "producer": peers.KAFKA_PROPERTIES}
    node.start()
    with Resident(node) as draining:
        time.sleep(10)  # long enough for every window to fill
    largest = max(filling.largest, draining.largest)
    bench.say(f"first ack {statistics.median(firsts):.2f} s (worst {first:.2f}) with {held / (1 << 30):.1f} GiB; {largest / MIB:.0f} MiB at most")
    bench.end(node, kafka)
    return {"backlog": held, "first_ack": firsts, "resident": largest,
            "goals": [goal(f"first ack after a start with {held / (1 << 30):.1f} GiB, s", first, 2, at_most=True),
                      goal("RSS with that backlog, MB", largest / 1e6, 150, at_most=True)]}


def against(bench):
    """This build against an earlier one (EARLIER_BINARY): rates in pairs, instructions an event, a route that idles beside a backlog."""
    programs = earlier.builds()
    kafka = bench.kafka()
    rates = {"single POSTs": earlier.singles(bench, programs), "NDJSON": earlier.ndjson(bench, programs),
             "spool to Kafka": earlier.drain(bench, programs, kafka), "start": earlier.start(bench, programs)}
    idle = earlier.idle(bench, programs, kafka)
    counts = earlier.instructions(bench, programs, kafka) | {"start": rates["start"]["instructions"]}
    bench.end(kafka)
    return {"rates": rates, "instructions": counts, "idle": idle,
            "goals": [*(goal(f"{name}, of the earlier build", found["ratio"], 0.95) for name, found in rates.items()),
                      *(goal(f"instructions, {name}, of the earlier build", found["ratio"], 1.02, at_most=True) for name, found in counts.items()),
                      goal("an idle route's event beside 4 GiB of another route, ms", max(idle["this"]["running"]), 100, at_most=True)]}


def goal(name, value, wanted, at_most=False):
    return {"name": name, "value": value, "goal": wanted, "at_most": at_most, "met": value <= wanted if at_most else value >= wanted}


ALL = {f.__name__: f for f in (singles, ndjson, drain, setaside, mirror, mirrorcounts, endtoend, latency, start, against)}
