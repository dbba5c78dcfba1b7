"""A real Kafka in KRaft mode from KAFKA_HOME (any distribution of 3.9 or later), on loopback, in a folder of its own."""

import base64
import functools
import os
import signal
import subprocess
import uuid
from pathlib import Path

from confluent_kafka import KafkaError, KafkaException, Producer, TopicCollection
from confluent_kafka.admin import (AclBinding, AclBindingFilter, AclOperation, AclPermissionType, AdminClient, NewTopic, ResourcePatternType,
                                   ResourceType)

from . import records
from .support import Failure, Skip, free_port, spawn, tail, until

USER, PASSWORD = "forebay", "forebay-secret"


def kafka_home():
    home = os.environ.get("KAFKA_HOME")
    if not home or not list(Path(home).glob("libs/kafka-clients-*.jar")):
        raise Skip("real Kafka (set KAFKA_HOME to a distribution of 3.9 or later)")
    return Path(home)


class Kafka:
    """`brokers` nodes that are broker and controller both. `sasl` adds a listener with PLAIN (user forebay) and ACLs."""

    def __init__(self, folder, brokers=1, sasl=False, settings=None):
        self.home, self.folder, self.sasl, self.settings = kafka_home(), Path(folder), sasl, settings or {}
        self.nodes = range(1, brokers + 1)
        self.ports = {n: {kind: free_port() for kind in ("plain", "controller", "sasl")} for n in self.nodes}
        self.processes = {}
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        for node in self.nodes:
            place = self.folder / str(node)
            place.mkdir(parents=True)
            (place / "server.properties").write_text("".join(f"{k}={v}\n" for k, v in self._properties(node).items()))
            done = subprocess.run(self._java("kafka.tools.StorageTool", "format", f"--cluster-id={cluster}", "-c", place / "server.properties"),
                                  capture_output=True, text=True)
            if done.returncode:
                raise Failure(f"formatting Kafka failed: {done.stdout}{done.stderr}")

    def _java(self, main, *arguments):
        logging = self.home / "config/log4j2.yaml"
        option = f"-Dlog4j2.configurationFile={logging}" if logging.exists() else f"-Dlog4j.configuration=file:{self.home}/config/log4j.properties"
        return [str(part) for part in ("java", "-Xms192m", "-Xmx640m", "-XX:+UseG1GC", "-Xshare:auto", option,
                                       f"-Dkafka.logs.dir={self.folder}", "-cp", f"{self.home}/libs/*", main, *arguments)]

    def _properties(self, node):
        replicas, ports = min(3, len(self.nodes)), self.ports[node]
        listeners = [f"PLAINTEXT://127.0.0.1:{ports['plain']}"] + [f"SASL_PLAINTEXT://127.0.0.1:{ports['sasl']}"] * self.sasl
        properties = {
            "process.roles": "broker,controller",
            "node.id": node,
            "controller.quorum.voters": ",".join(f"{n}@127.0.0.1:{self.ports[n]['controller']}" for n in self.nodes),
            "controller.listener.names": "CONTROLLER",
            "listeners": ",".join([*listeners, f"CONTROLLER://127.0.0.1:{ports['controller']}"]),
            "advertised.listeners": ",".join(listeners),
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT",
            "inter.broker.listener.name": "PLAINTEXT",
            "log.dirs": self.folder / str(node) / "data",
            "default.replication.factor": replicas,
            "min.insync.replicas": min(2, replicas),
            "offsets.topic.replication.factor": replicas,
            "offsets.topic.num.partitions": 1,
            "transaction.state.log.replication.factor": replicas,
            "transaction.state.log.min.isr": 1,
            "group.initial.rebalance.delay.ms": 0,
            "log.cleaner.dedupe.buffer.size": 16777216,
            "num.partitions": 6,
        }
        if self.sasl:
            properties |= {
                "sasl.enabled.mechanisms": "PLAIN",
                "listener.name.sasl_plaintext.plain.sasl.jaas.config":
                    f'org.apache.kafka.common.security.plain.PlainLoginModule required user_{USER}="{PASSWORD}";',
                "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
                "super.users": "User:ANONYMOUS",
                "allow.everyone.if.no.acl.found": "true",
            }
        return properties | self.settings

    # Running it

    def start(self, *nodes, timeout=90):
        for node in nodes or self.nodes:
            running = self.processes.get(node)
            if not running or running.poll() is not None:
                self.processes[node] = spawn(self._java("kafka.Kafka", self.folder / str(node) / "server.properties"), self.log(node))
        wanted = {n for n, p in self.processes.items() if p.poll() is None}
        until("Kafka serves", lambda: self._serving(wanted), timeout)
        return self

    def _serving(self, wanted):
        for node in wanted:
            if self.processes[node].poll() is not None:
                raise Failure(f"broker {node} ended:\n{tail(self.log(node))}")
        try:
            return wanted <= set(self.admin.list_topics(timeout=2).brokers)
        except KafkaException:
            return False

    def log(self, node):
        return self.folder / str(node) / "log"

    def signal(self, number, *nodes):
        """Waits for the end when the signal is one that ends: TERM or KILL."""
        for node in nodes or self.nodes:
            if self.processes[node].poll() is None:
                self.processes[node].send_signal(number)
        if number in (signal.SIGTERM, signal.SIGKILL):
            for node in nodes or self.nodes:
                self.processes[node].wait(timeout=60)

    def stop(self, *nodes):
        self.signal(signal.SIGTERM, *nodes)

    def kill(self, *nodes):
        self.signal(signal.SIGKILL, *nodes)

    def freeze(self, *nodes):
        self.signal(signal.SIGSTOP, *nodes)

    def thaw(self, *nodes):
        self.signal(signal.SIGCONT, *nodes)

    def close(self):
        if self.processes:
            self.kill(*self.processes)

    # Using it

    def bootstrap(self, kind="plain"):
        return ",".join(f"127.0.0.1:{self.ports[n][kind]}" for n in self.nodes)

    @functools.cached_property
    def admin(self):
        return AdminClient({"bootstrap.servers": self.bootstrap(), "log_level": 0})

    def warm(self):
        """Lets every broker fetch its first block of producer ids, as those of a cluster in use have.

        A broker asks the active controller for it; if that is the one that is frozen next, no new producer gets an id for 30 s.
        """
        self.create("warm-up", 1)
        properties = {"bootstrap.servers": self.bootstrap(), "enable.idempotence": True, "log_level": 0}
        producers = [Producer(properties) for _ in range(8 * len(self.nodes))]
        for producer in producers:  # each asks a broker drawn by chance
            producer.produce("warm-up", b"")
        for producer in producers:
            producer.flush(30)

    def client_properties(self):
        """What forebay needs to reach it."""
        if not self.sasl:
            return {"bootstrap.servers": self.bootstrap()}
        return {"bootstrap.servers": self.bootstrap("sasl"), "security.protocol": "SASL_PLAINTEXT", "sasl.mechanisms": "PLAIN",
                "sasl.username": USER, "sasl.password": PASSWORD}

    def create(self, topic, partitions=6, assignment=None, **config):
        """Settings by their names with underscores for dots: max_message_bytes=100000. `assignment`: each partition's brokers, its leader first."""
        config = {name.replace("_", "."): str(value) for name, value in config.items()}
        placed = {"replica_assignment": assignment} if assignment else {}
        partitions = len(assignment or range(partitions))
        self.admin.create_topics([NewTopic(topic, partitions, config=config, **placed)])[topic].result(30)
        until(f"topic {topic} has leaders", lambda: self._led(topic, partitions))

    def create_all(self, topics, at_once=100):
        """Many, of one partition each."""
        for start in range(0, len(topics), at_once):
            wanted = [NewTopic(topic, 1) for topic in topics[start:start + at_once]]
            for made in self.admin.create_topics(wanted, operation_timeout=60).values():
                made.result(90)

    def delete(self, topic):
        self.admin.delete_topics([topic])[topic].result(30)
        until(f"topic {topic} is gone", lambda: topic not in self.admin.list_topics(timeout=5).topics)

    def _led(self, topic, partitions):
        found = self.admin.list_topics(topic, timeout=5).topics[topic].partitions
        return len(found) == partitions and all(p.leader >= 0 for p in found.values())

    def leaders(self, topics):
        """By (topic, partition); -1: none."""
        found = self.admin.list_topics(timeout=10).topics
        return {(topic, number): partition.leader for topic in topics for number, partition in found[topic].partitions.items()}

    def deny(self, user, topic, seen=False):
        """Forbids writing. A topic with rules of its own is hidden from all who are in none of them; `seen` lets the user see it all the same."""
        rules = [self._rule(user, topic, AclOperation.WRITE, AclPermissionType.DENY)]
        rules += [self._rule(user, topic, AclOperation.DESCRIBE, AclPermissionType.ALLOW)] * seen
        for made in self.admin.create_acls(rules).values():
            made.result(30)

    def allow(self, user, topic):
        """Takes all that was said of them back."""
        rules = self._rule(user, topic, AclOperation.ANY, AclPermissionType.ANY, AclBindingFilter)
        self.admin.delete_acls([rules])[rules].result(30)

    def _rule(self, user, topic, operation, permission, kind=AclBinding):
        host = "*" if kind is AclBinding else None
        return kind(ResourceType.TOPIC, topic, ResourcePatternType.LITERAL, f"User:{user}", host, operation, permission)

    def denied(self, topic):
        """Whether the broker itself knows by now that forebay may not write; only then is a denial in force."""
        try:
            asked = self.forebay.describe_topics(TopicCollection([topic]), include_authorized_operations=True)[topic].result(30)
        except KafkaException as refused:
            return refused.args[0].code() == KafkaError.TOPIC_AUTHORIZATION_FAILED
        return AclOperation.WRITE not in asked.authorized_operations

    @functools.cached_property
    def forebay(self):
        """An administrator with forebay's own rights."""
        return AdminClient(self.client_properties() | {"log_level": 0})

    def records(self, *topics):
        """What stands in them, each partition in order."""
        return records.read(self.bootstrap(), *topics)

    def tool(self, name, *arguments, **options):
        """Runs bin/kafka-NAME.sh of the distribution."""
        script = self.home / f"bin/kafka-{name}.sh"
        return subprocess.run([script, "--bootstrap-server", self.bootstrap(), *map(str, arguments)], capture_output=True, **options)
