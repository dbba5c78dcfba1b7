"""Reads what stands in Kafka, by a client that shares nothing with the product (confluent-kafka brings its own librdkafka)."""

from confluent_kafka import Consumer, TopicPartition

from .checker import Record
from .support import Failure


class Ends:
    """How far a topic's partitions reach."""

    def __init__(self, bootstrap, topic):
        self.topic, self.consumer = topic, _consumer(bootstrap)
        self.partitions = list(self.consumer.list_topics(topic, timeout=10).topics[topic].partitions)

    def offsets(self):
        """{partition: end offset}; {} while the topic does not exist."""
        return {p: self.consumer.get_watermark_offsets(TopicPartition(self.topic, p), timeout=10)[1] for p in self.partitions}

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


def read(bootstrap, topic, timeout=120):
    """Every record of a topic, each partition in order, up to the ends as they are now."""
    stops = {p: end for p, end in ends(bootstrap, topic).items() if end}
    consumer = _consumer(bootstrap)
    idle = 0
    try:
        consumer.assign([TopicPartition(topic, p, 0) for p in stops])
        while stops:
            messages = consumer.consume(5000, timeout=1)
            idle = 0 if messages else idle + 1
            if idle > timeout:
                raise Failure(f"{topic}: nothing more to read before the ends {stops}")
            for message in messages:
                if message.error():
                    raise Failure(f"{topic}: {message.error()}")
                if message.partition() not in stops:
                    continue
                yield Record(topic, message.partition(), message.offset(), message.key(), message.value(), _id(message))
            stops = {p: end for p, end in stops.items() if consumer.position([TopicPartition(topic, p)])[0].offset < end}
    finally:
        consumer.close()


def _id(message):
    return next((value for name, value in message.headers() or () if name == "forebay-id"), None)


def _consumer(bootstrap):
    return Consumer({"bootstrap.servers": bootstrap, "group.id": "rig", "enable.auto.commit": False, "auto.offset.reset": "earliest",
                     "allow.auto.create.topics": False, "log_level": 0, "queued.max.messages.kbytes": 32768, "check.crcs": True})
