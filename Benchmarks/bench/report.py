"""The table, the JSON and the page in docs."""

import json
import os
import platform
import statistics
import subprocess
import time
from pathlib import Path

from . import HERE, ROOT


def machine():
    cpu = next((line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), "?")
    memory = int(Path("/proc/meminfo").read_text().split()[1]) >> 20
    return {"date": time.strftime("%Y-%m-%d"), "commit": git("rev-parse", "--short", "HEAD") + ("+" if git("status", "--porcelain") else ""),
            "cpu": cpu, "cores": os.cpu_count(), "memory_gib": memory, "kernel": platform.release(),
            "load_at_start": os.getloadavg()[0]}


def git(*arguments):
    return subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True).stdout.strip()


def bound(goal):
    return f"{'at most' if goal['at_most'] else 'at least'} {goal['goal']:g}"


def rates(result, unit):
    return ", ".join(f"{name} {rate:,.0f} {unit}" for name, rate in result["rates"].items())


def table(goals):
    rows = [("", "measured", "goal", "")] + [
        (g["name"], f"{g['value']:.2f}", bound(g), "met" if g["met"] else "MISSED") for g in goals]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows)


def write(results, skipped, about):
    """Parts that were not run this time stay as they were measured last."""
    path = HERE / "results/latest.json"
    path.parent.mkdir(exist_ok=True)
    last = json.loads(path.read_text()) if path.exists() else {"results": {}}
    results = last["results"] | {name: result | {"machine": about} for name, result in results.items()}
    path.write_text(json.dumps({"skipped": skipped, "results": results}, indent=1) + "\n")
    (ROOT / "docs/reference/benchmarks.md").write_text(page(results, skipped))


def page(results, skipped):
    about = next(iter(results.values()))["machine"]
    measured = ", ".join(f"{name} {result['machine']['date']} at {result['machine']['commit']}" for name, result in results.items())
    goals = [g for result in results.values() for g in result["goals"]]
    lines = [
        "# Benchmarks", "",
        "Written by `Benchmarks/run`; do not edit. The figures of the last run, as JSON: `Benchmarks/results/latest.json`.", "",
        f"{about['cores']} cores ({about['cpu']}), {about['memory_gib']} GiB, Linux {about['kernel']}; measured: {measured}. "
        "Load generator, forebay, Kafka and the peers share these cores; all that is compared ran in turn, in random order, in one run. "
        "Figures are medians, ratios are medians of the ratios of pairs. Compare ratios, not rates, between machines.", "",
        "| measure | measured | goal | |", "|---|---|---|---|",
        *(f"| {g['name']} | {g['value']:.2f} | {bound(g)} | {'met' if g['met'] else '**missed**'} |" for g in goals), ""]
    if rows := results.get("singles", {}).get("rows"):
        names = list(rows[0]["rates"])
        lines += ["## Durable single POSTs (200 B), requests per second, and of nginx", "",
                  "nginx and edge hello store nothing; edge durable and direct are bare C with group commit on the same libraries, "
                  "without checks or recovery.", "",
                  "| connections | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|",
                  *(f"| {r['connections']} | " + " | ".join(f"{r['rates'][n]:,.0f} ({r['ratios'][n]:.2f})" for n in names) + " |" for r in rows), ""]
        if varied := results["singles"].get("varied"):
            lines += ["The load generator repeats one head, as many producers do; forebay compares such a head instead of parsing it. "
                      f"With another head in each request, 128 connections: nginx {varied['rates']['nginx']:,.0f}, "
                      f"forebay {varied['rates']['forebay']:,.0f} ({varied['ratio']:.2f}).", ""]
    if result := results.get("ndjson"):
        lines += ["## Durable NDJSON (1,000 x 200 B, JSON checked)", "",
                  f"{result['events_per_second']:,.0f} events/s; the disk alone takes {result['disk_bytes_per_second'] / 1e6:,.0f} MB/s "
                  "in synced writes of 1 MiB.", ""]
    if result := results.get("drain"):
        lines += ["## Spool to Kafka", "", f"{rates(result, 'records/s')}.", ""]
    if result := results.get("setaside"):
        lines += ["## What was set aside, to Kafka", "",
                  f"From the side log, and from the spool: {rates(result, 'records/s')}.", ""]
    if result := results.get("mirror"):
        counts = results.get("mirrorcounts", {})
        rows = {"CPU at a steady rate, µs": (result["cpu"], 2)} | {
            f"instructions, {way}": (counts[name], 0) for name, way in (("live", "as they come"), ("backlog", "with a backlog")) if name in counts}
        lines += ["## A mirror on top of the forward", "",
                  "Of one event: a process that only accepts it (with a backlog: nothing is accepted), one that delivers it to one cluster too, "
                  "one that delivers it to a second as well. The last two columns: what the mirror adds, of what the forward does, and of all that "
                  "a process without a mirror does.", "",
                  "| measure | accepted | forward | both | of the forward | of all |", "|---|---|---|---|---|---|",
                  *(f"| {name} | {row['each'].get('accepted', 0):,.{digits}f} | {row['each']['forward']:,.{digits}f} | "
                    f"{row['each']['both']:,.{digits}f} | {row['of_forward']:.2f} | {row['of_all']:.2f} |"
                    for name, (row, digits) in rows.items()), "",
                  f"Of each byte of a backlog {result['read']['each']['forward']:.2f} are read from segments for the forward alone, "
                  f"{result['read']['each']['both']:.2f} for both: what two read that are less than 16 MiB apart is read once "
                  f"(all runs: {' '.join(f'{share:.2f}' for share in result['read']['all'])}).", ""]
    if result := results.get("endtoend"):
        lines += ["## HTTP to Kafka", "", "Rate of what was accepted and delivered, the time to drain the rest included.", "",
                  *(f"- {name}: {rates(row, 'events/s')}" for name, row in result["rows"].items()), ""]
    if result := results.get("latency"):
        middle = sorted(result["runs"], key=lambda run: run["p99"])[len(result["runs"]) // 2]
        lines += ["## The answer's latency, Kafka delivering", "",
                  f"At {middle['rate']:,.0f} single POSTs a second, half of the maximum, by a clock that does not wait for answers: "
                  f"p50 {middle['p50']:.2f} ms, p99 {middle['p99']:.2f} ms, p99.9 {middle['p999']:.2f} ms.", ""]
    if result := results.get("against"):
        lines += ["## This build and an earlier one", "",
                  "| measure | this | earlier | ratio of pairs, median | all pairs |", "|---|---|---|---|---|",
                  *(f"| {name}{', s' if name == 'start' else ', events/s'} | {row['medians']['this']:,.4g} | {row['medians']['earlier']:,.4g} | "
                    f"{row['ratio']:.3f} | {' '.join(f'{ratio:.2f}' for ratio in row['ratios'])} |" for name, row in result["rates"].items()), "",
                  "Instructions under callgrind, of one event; of a whole start with the backlog, first ack included. The median of three runs.", "",
                  "| measure | this | earlier | ratio |", "|---|---|---|---|",
                  *(f"| {name} | {row['each']['this']:,.0f} | {row['each']['earlier']:,.0f} | {row['ratio']:.3f} |"
                    for name, row in result["instructions"].items()), "",
                  "From a POST on an idle route to a consumer, in ms, median (worst): alone; while 4 GiB of another route wait; "
                  "first thing after a kill -9, with an event waiting from before the other route's 4 GiB.", "",
                  "| build | alone | running | behind |", "|---|---|---|---|",
                  *(f"| {build} | " + " | ".join(f"{statistics.median(ms):.1f} ({max(ms):.1f})" for ms in found.values()) + " |"
                    for build, found in result["idle"].items()), ""]
    if skipped:
        lines += ["Skipped, because absent: " + "; ".join(sorted(set(skipped))) + ".", ""]
    lines += ["## To repeat it", "", "```", "KAFKA_HOME=/path/to/kafka PEERS_DIR=/path/to/peers Benchmarks/run", "```", "",
              "On a machine that does nothing else, with `wrk`, `nginx`, a C compiler and Java 17 (`dev/setup` installs them). "
              "`Benchmarks/run --only singles,ndjson` runs a part, `--quick` a short one, which writes nothing.", ""]
    return "\n".join(lines)
