"""`forebay demo`: the curl it prints answers 202, and the event is seen arriving in Kafka within a second."""

import re
import signal
import subprocess
import time

from confluent_kafka import Consumer, TopicPartition
from rig.node import binary
from rig.support import free_port, spawn, until


def run(rig):
    log = rig.folder / "demo.log"
    ports = [f"--set=listeners.{name}.address=127.0.0.1:{free_port()}" for name in ("ingest", "admin")]
    process = spawn([binary(), "demo", *ports], log)
    rig.closing.append(lambda: process.poll() is None and process.kill())
    command = until("a curl is printed", lambda: curl(log.read_text()), 30)
    rig.say(command)
    bootstrap = until("it names its Kafka", lambda: re.search(r"^\s*Kafka\s+(\S+:\d+)", log.read_text(), re.MULTILINE), 10)[1]
    topic = re.search(r"/v1/topics/([\w.-]+)", command)[1]
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "rig", "log_level": 0})
    partitions = until("the topic is there", lambda: partitions_of(consumer, topic), 15)
    consumer.assign([TopicPartition(topic, p, consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=10)[1]) for p in partitions])
    consumer.poll(0.5)
    done = subprocess.run(["bash", "-c", f"{command} -s -w '\\n%{{http_code}}'"], capture_output=True, text=True, timeout=20)
    sent = time.monotonic()
    rig.check("the printed curl answers 202", done.stdout.rstrip().endswith("202"), done)
    identity = re.search(r'"id":"([^"]+)"', done.stdout)[1].encode()
    until("the event arrives", lambda: arrived(consumer, identity), 5, every=0)
    took = time.monotonic() - sent
    rig.check("within a second", took < 1, took)
    consumer.close()
    process.send_signal(signal.SIGINT)
    rig.check("Ctrl-C ends it with 0", process.wait(20) == 0, process.returncode)
    rig.note(f"202, and in Kafka {took * 1000:.0f} ms later")


def curl(text):
    """The printed command, its continued lines joined."""
    found = re.search(r"^.*?(curl (?:.*\\\n)*.*)$", text, re.MULTILINE)
    return found and re.sub(r"\\\n\s*", " ", found[1]).strip()


def partitions_of(consumer, topic):
    found = consumer.list_topics(topic, timeout=5).topics[topic]
    return None if found.error else list(found.partitions)


def arrived(consumer, identity):
    message = consumer.poll(0.2)
    return message and not message.error() and ("forebay-id", identity) in (message.headers() or [])
