"""Dead letters are replayed and removed, what is set aside is moved and removed, by an operator: killed in the middle, nothing is lost.

A topic refuses a thousand events for their size. When it is mended they are replayed, and the node is killed meanwhile, again and again; every event
must come, with its id and the time of its replay, and none may stay. Two topics may not be written to, and are not to be: one's events are moved to
a topic that takes them, the other's are removed.
"""

import json
import threading

from rig import records
from rig.kafka import USER
from rig.support import until

ROUNDS = {"ci": 8, "long": 12}  # kills, at most
STAGE = "spool"
LETTERS, SIZE, MOVED = 1000, 12_000, 400


def run(rig):
    kafka = rig.kafka(sasl=True, settings={"auto.create.topics.enable": "false"})
    kafka.create("events", 3, max_message_bytes=10_000)
    for topic in ("right", "wrong", "junk"):
        kafka.create(topic, 3)
    for topic in ("wrong", "junk"):
        kafka.deny(USER, topic)
        until(f"the denial of {topic} is in force", lambda: kafka.denied(topic))
    node = rig.node(kafka, spool={"segment": "4MiB"}, delivery={"set_aside": {"retry": "1s"}}).start()

    for start in range(0, LETTERS, 50):
        post(rig, node, "events", [{"n": number, "fill": "x" * SIZE} for number in range(start, start + 50)])
    until("all are dead letters", lambda: node.metric("forebay_dead_letters") == LETTERS, 300, every=0.5)
    letters = {letter["id"]: letter for letter in node.dead_letters()}
    rig.check("each has an id of its own", len(letters) == LETTERS)
    selected(rig, node, letters)
    removed = [numbered(letters, sequence) for sequence in (3, 4, 5, 500)]
    forebay(rig, node, "deadletters", "rm", "default", "3-5", "500", says="4 dead letters are removed")
    enveloped(rig, node, numbered(letters, 7))
    replayed(rig, kafka, node, letters, removed)
    aside(rig, kafka, node)
    down(rig, kafka, node)
    rig.check("it ends in peace", node.terminate() == 0)


def post(rig, node, topic, values, key="k"):
    lines = "\n".join(json.dumps({"topic": topic, "key": key, "value": value}) for value in values)
    status, answer = node.get("/v1/events", port=node.port, method="POST", body=lines.encode(),
                              headers={"Content-Type": "application/vnd.forebay.v1+x-ndjson"})
    rig.check(f"events of {topic} are accepted", status == 202, answer)


def forebay(rig, node, *words, says=None, code=0, at=None):
    done = node.command(*words, *(at or ("--url", f"http://127.0.0.1:{node.admin_port}")))
    rig.check(f"{' '.join(map(str, words))} ends with {code}", done.returncode == code, done)
    rig.check(f"and says {says!r}", says is None or says in done.stdout + done.stderr, done)
    return done


def numbered(letters, sequence):
    return next(id for id, letter in letters.items() if letter["sequence"] == sequence)


def selected(rig, node, letters):
    """A dry run says exactly what would be done, and does nothing."""
    one = numbered(letters, 17)
    for words, count in ((("--all",), LETTERS), (("default", "1-10", "20"), 11), (("--id", one), 1), (("--topic", "events"), LETTERS),
                         (("--code", "MSG_SIZE_TOO_LARGE", "--newer-than", "1h"), LETTERS), (("--older-than", "1h"), 0)):
        done = forebay(rig, node, "deadletters", "replay", *words, "--dry-run", "--json")
        told = json.loads(done.stdout)
        rig.check(f"{words} are {count}", told["dry_run"] is True and told["replayed"] == count, told)
    rig.check("nothing was done", node.metric("forebay_dead_letters") == LETTERS)


def enveloped(rig, node, id):
    """What `show --envelope` prints is taken as it is, and dies again."""
    number = next(letter["sequence"] for letter in node.dead_letters() if letter["id"] == id)
    printed = forebay(rig, node, "deadletters", "show", "default", number, "--envelope").stdout
    before = node.metric("forebay_dead_letters")
    status, answer = node.get("/v1/events", port=node.port, method="POST", body=printed.encode(),
                              headers={"Content-Type": "application/vnd.forebay.v1+json"})
    rig.check("the envelope is accepted", status == 202, answer)
    until("it is a dead letter again", lambda: node.metric("forebay_dead_letters") == before + 1)
    twins = [letter for letter in node.dead_letters() if letter["id"] == id]
    rig.check("the same event", len(twins) == 2 and len({letter["value"] for letter in twins}) == 1, [t["sequence"] for t in twins])


def replayed(rig, kafka, node, letters, removed):
    done = kafka.tool("configs", "--alter", "--topic", "events", "--add-config", "max.message.bytes=100000", text=True)
    rig.check("the topic takes them now", done.returncode == 0, done)
    kills = 0
    for number in range(rig.rounds):
        left = node.metric("forebay_dead_letters")
        if not left:
            break
        replaying = threading.Thread(target=node.command, args=("deadletters", "replay", "--all", "--url", f"http://127.0.0.1:{node.admin_port}"))
        replaying.start()
        goal = max(0, left - LETTERS * rig.random.uniform(0, 0.15))  # a piece is some 8 % of them
        until("some are replayed", lambda: (node.metric("forebay_dead_letters") or 0) <= goal, every=0.001)
        node.kill()
        kills += 1
        replaying.join()
        rig.say(f"kill {number}: {left:.0f} were left before")
        rig.check("nothing is damaged", node.command("spool", "verify", node.data).returncode == 0)
        node.start()
    forebay(rig, node, "deadletters", "replay", "--all", "--json")
    until("no dead letter is left", lambda: node.metric("forebay_dead_letters") == 0)
    until("all of them are delivered", lambda: not node.units(), 120, every=0.2)
    found = headers(kafka, "events")
    wanted = set(letters) - set(removed)
    rig.check("every one came, with its id", wanted <= set(found), sorted(wanted - set(found))[:3])
    rig.check("none of those that were removed", not set(removed) & set(found), removed)
    rig.check("each says when it was replayed", all(each.get("forebay-replayed-at", b"").startswith(b"20") for each in found.values()), found)
    total = sum(records.ends(kafka.bootstrap(), "events").values())
    rig.check("repeats are bounded by what a kill cuts short", total <= len(wanted) + 1 + kills * 1000, total)
    rig.note(f"{len(wanted)} dead letters replayed over {kills} kills, {total - len(wanted)} repeats")


def headers(kafka, topic):
    """{forebay-id: headers} of all that stands there."""
    from confluent_kafka import Consumer, TopicPartition
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap(), "group.id": "mending", "enable.auto.commit": False, "log_level": 0})
    ends = records.ends(kafka.bootstrap(), topic)
    consumer.assign([TopicPartition(topic, partition, 0) for partition in ends])
    found, wanted = {}, sum(ends.values())
    while wanted:
        for message in consumer.consume(1000, timeout=5):
            wanted -= 1
            held = dict(message.headers())
            found[held["forebay-id"].decode()] = held
    consumer.close()
    return found


def aside(rig, kafka, node):
    """Moved in order, with their ids; removed for good. A topic that could be written to again gets nothing of either."""
    for start in range(0, MOVED, 50):
        post(rig, node, "wrong", [{"n": number} for number in range(start, start + 50)])
        post(rig, node, "junk", [{"n": number} for number in range(start, start + 50)])
    until("both are set aside", lambda: {name: unit["events"] for name, unit in node.units().items()} == {"wrong": MOVED, "junk": MOVED})
    forebay(rig, node, "setaside", "rm", "junk", "--dry-run", says=f"{MOVED} events would be removed for good")
    forebay(rig, node, "setaside", "move", "wrong", "--to", "right/3", code=1, says="is not a topic's name")
    forebay(rig, node, "setaside", "rm", "junk", says=f"{MOVED} events are removed")
    forebay(rig, node, "setaside", "move", "wrong", "--to", "right", says=f"{MOVED} events are moved to right")
    until("all that was moved is delivered", lambda: not node.units(), 60, every=0.2)
    numbers = [json.loads(record.value)["n"] for record in kafka.records("right")]
    rig.check("they come in their order, each once", numbers == list(range(MOVED)), numbers[:9])
    rig.check("it is counted", node.metric("forebay_set_aside_removed_events_total") == MOVED
              and node.metric("forebay_set_aside_moved_events_total") == MOVED)
    rig.check("and told", [entry["events"] for entry in node.logged("events that were set aside are removed by command")] == [str(MOVED)])


def down(rig, kafka, node):
    """The same in the folder of a node that is down, and not in that of one that runs."""
    post(rig, node, "wrong", [{"n": MOVED}])
    post(rig, node, "junk", [{"n": 0}])
    until("both are set aside", lambda: set(node.units()) == {"wrong", "junk"})
    at = ("--dir", node.data)
    done = node.command("setaside", "rm", "junk", *at)
    rig.check("a node that runs owns its folder", done.returncode and "in use by another forebay" in done.stderr, done)
    rig.check("it ends in peace", node.terminate() == 0)
    forebay(rig, node, "setaside", "rm", "junk", at=at, says="1 event is removed")
    forebay(rig, node, "setaside", "move", "wrong", "--to", "right", at=at, says="1 event is moved to right")
    rig.check("nothing is damaged", node.command("spool", "verify", node.data).returncode == 0)
    node.start()
    until("what was moved is delivered", lambda: not node.units(), 60, every=0.2)
    for topic in ("wrong", "junk"):
        kafka.allow(USER, topic)
    post(rig, node, "wrong", [{"n": "last"}])
    post(rig, node, "junk", [{"n": "last"}])
    rig.drain(node)
    until("all go direct", lambda: not node.units(), 60, every=0.2)
    rig.check("nothing else came there", [json.loads(r.value)["n"] for r in kafka.records("wrong", "junk")] == ["last", "last"])
    rig.check("and nothing was lost", len(list(kafka.records("right"))) == MOVED + 1)
