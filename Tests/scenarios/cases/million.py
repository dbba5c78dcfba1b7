"""A million keyed events of 200 B by NDJSON: each in Kafka once, in its key's order, where a Java producer puts that key.

The reference is a real Java producer (the distribution's console producer), which writes the same keys to a topic of as many partitions.
A round is 100,000 events.
"""

from rig import records

ROUNDS = {"ci": 10, "long": 10}
PARTITIONS = 12


def run(rig):
    kafka = rig.kafka()
    for topic in ("events", "reference"):
        kafka.create(topic, PARTITIONS)
    node = rig.node(kafka).start()
    load = rig.load(node, events=rig.rounds * 100_000, batch=1000, connections=8, keys=100, style="ndjson", odd_keys=1)
    counts = load.wait()
    rig.check("every request was acknowledged", counts["ok"] == rig.rounds * 100, counts)
    rig.drain(node)
    checker = rig.examine([load], kafka, copies=1)
    verdict = checker.verdict()
    rig.check(str(verdict), verdict.sound and verdict.repeats == 0 and verdict.acknowledged == rig.rounds * 100_000)
    ours = {key: partition for (_, key), partition in checker.partition_of.items()}
    java = java_partitions(rig, kafka, ours)
    wrong = {key: (ours[key], java.get(key)) for key in ours if ours[key] != java.get(key)}
    rig.check("partitions are those of a Java producer", not wrong, dict(list(wrong.items())[:5]))
    rig.check("keys spread over all partitions", len(set(ours.values())) == PARTITIONS)
    rig.check("it ends in peace", node.terminate() == 0)
    rig.note(f"{verdict}, {len(ours)} keys on Java's partitions ({kafka.home.name})")


def java_partitions(rig, kafka, keys):
    lines = "".join(f"{key}\tx\n" for key in keys).encode()
    done = kafka.tool("console-producer", "--topic", "reference", "--property", "parse.key=true", "--property", "key.separator=\t", input=lines)
    rig.check("Java's producer ran", done.returncode == 0, done.stderr[-500:])
    return {record.key.decode(): record.partition for record in records.read(kafka.bootstrap(), "reference")}
