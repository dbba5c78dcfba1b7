"""A bit flips in a sealed segment: the exact missing range is reported, all the rest is delivered, and keys stay in order.

A round flips one bit of the payload of one event, drawn by the seed, in the backlog of a node that is down. The events that are then missing
in Kafka must be one run of sequences (a frame), the one that `forebay spool verify`, status and the log name.
"""

import json
import re

from rig import ledger

STAGE = "spool"
ROUNDS = {"ci": 3, "long": 30}


def run(rig):
    kafka = rig.kafka()
    for number in range(rig.rounds):
        once(rig, kafka, f"round-{number}")


def once(rig, kafka, topic):
    kafka.create(topic, 6)
    node = rig.node(kafka, topics={topic: {"key": "$.k"}}, spool={"segment": "1MiB"})
    kafka.freeze()
    node.start()
    load = rig.load(node, topic, events=40_000, batch=100, connections=8)
    load.wait()
    rig.check("it ends in peace", node.terminate() == 0)
    kafka.thaw()
    file, position = flip(rig, node)
    verified = node.command("spool", "verify", node.data, "--json")
    rig.check("verify exits 1", verified.returncode == 1, verified)
    problems = json.loads(verified.stdout)["problems"]
    rig.check("verify names one place, in that segment", len(problems) == 1 and problems[0]["file"].endswith(file.name), problems)
    rig.say(f"flipped a bit in {file.name} at {position}: {problems[0]}")
    node.start()
    rig.drain(node)
    rig.check("the alarm is raised", (node.metric("forebay_buffer_corruption_total") or 0) >= 1)
    checker = rig.examine([load], kafka, topics=[topic], copies=2)
    missing = sorted(ledger.sequence(checker.requests[r], i) for r, i in checker.missing())
    rig.check("what the flip hit is missing", missing)
    rig.check("the missing run is one", missing == list(range(missing[0], missing[-1] + 1)), (missing[0], missing[-1], len(missing)))
    run = (missing[0], len(missing))
    rig.check("verify names exactly that run", run == (problems[0]["missing_from"], problems[0]["missing_count"]), (run, problems))
    reported = [(gap.start, len(gap)) for gap in node.missing()]
    rig.check("status reports exactly that run", reported == [run], (run, reported))
    rig.check("the log names that run", named(node.log.read_text(), missing))
    verdict = checker.verdict()
    others = {name: n for name, n in verdict.faults.items() if n and name != "lost"}
    rig.check("nothing else is amiss", not others, verdict)
    rig.check("it ends in peace", node.terminate() == 0)
    rig.note(f"{rig.rounds} flips; the last cost sequences {missing[0]} to {missing[-1]}, named by verify, status and the log; the rest arrived")


def flip(rig, node):
    """Flips a bit inside the filler of an event that lies in a sealed segment: not in the last two files."""
    files = node.segments()
    rig.check("several segments are sealed", len(files) > 3, files)
    file = rig.random.choice(files[:-2])
    content = file.read_bytes()
    places = [found.start() for found in re.finditer(rb'"x":"x{40}', content)]
    position = rig.random.choice(places) + 6 + rig.random.randrange(40)
    with open(file, "r+b") as handle:
        handle.seek(position)
        handle.write(bytes([content[position] ^ 1 << rig.random.randrange(8)]))
    return file, position


def named(text, missing):
    """The first and the last of the run, or the first and the one behind the last, together in one line."""
    for line in text.splitlines():
        numbers = {int(n) for n in re.findall(r"\d+", line)}
        if missing[0] in numbers and numbers & {missing[-1], missing[-1] + 1}:
            return True
    return False
