"""Reads what stands in Kafka, by a client that shares nothing with the product (confluent-kafka brings its own librdkafka)."""

import time

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from .checker import Record
from .support import Failure

MOVING = (KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE, KafkaError.UNKNOWN_TOPIC_OR_PART)


class Ends:
    """How far a topic's partitions reach."""

    def __init__(self, bootstrap, topic):
        self.topic, self.consumer = topic, _consumer(bootstrap)
        self.partitions = list(self.consumer.list_topics(topic, timeout=10).topics[topic].partitions)

    def offsets(self):
        """{partition: end offset}; {} while the topic does not exist."""
        return {p: _end(self.consumer, self.topic, p) for p in self.partitions}

    def total(self):
        return sum(self.offsets().values())

    def close(self):
        self.consumer.close()


def ends(bootstrap, topic):
    watch = Ends(bootstrap, topic)
    try:
        return watch.offsets()
    finally:
        watch.close()


def read(bootstrap, *topics, timeout=120):
    """Every record of these topics, each partition in order, up to the ends as they are now."""
    consumer = _consumer(bootstrap)
    idle = 0
    try:
        stops = _stops(consumer, topics)
        consumer.assign([TopicPartition(topic, p, 0) for topic, p in stops])
        while stops:
            messages = consumer.consume(5000, timeout=1)
            idle = 0 if messages else idle + 1
            if idle > timeout:
                raise Failure(f"nothing more to read before the ends {stops}")
            for message in messages:
                if message.error():
                    raise Failure(f"{message.topic()}: {message.error()}")
                if (message.topic(), message.partition()) in stops:
                    yield Record(message.topic(), message.partition(), message.offset(), message.key(), message.value(), _id(message))
            reached = consumer.position([TopicPartition(topic, p) for topic, p in stops])
            stops = {lane: end for (lane, end), at in zip(stops.items(), reached) if at.offset < end}
    finally:
        consumer.close()


def _stops(consumer, topics):
    """{(topic, partition): end} of those that hold anything."""
    known = consumer.list_topics(timeout=10).topics
    lanes = [(topic, p) for topic in topics for p in known[topic].partitions]
    ends = {lane: _end(consumer, *lane) for lane in lanes}
    return {lane: end for lane, end in ends.items() if end}


def _end(consumer, topic, partition, patience=30):
    began = time.monotonic()
    while True:
        try:
            return consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)[1]
        except KafkaException as error:
            # It is just being created, its leader changes, or its broker has just come back.
            if error.args[0].code() not in MOVING or time.monotonic() - began > patience:
                raise


def _id(message):
    return next((value for name, value in message.headers() or () if name == "forebay-id"), None)


def _consumer(bootstrap):
    return Consumer({"bootstrap.servers": bootstrap, "group.id": "rig", "enable.auto.commit": False, "auto.offset.reset": "earliest",
                     "allow.auto.create.topics": False, "log_level": 0, "queued.max.messages.kbytes": 32768, "check.crcs": True})
