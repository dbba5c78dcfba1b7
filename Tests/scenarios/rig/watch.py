"""Looks at something again and again while something else runs, and remembers: memory, open files, when records arrived."""

import threading
import time

from confluent_kafka import Consumer, TopicPartition


class Watch:
    """For `with`; a subclass has `look`."""

    every = 0.02

    def __init__(self, node):
        self.node, self.seen, self.done = node, [], threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self):
        while not self.done.wait(self.every):
            self.seen.append(self.look())

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()

    @property
    def largest(self):
        return max(self.seen, default=0)


class Resident(Watch):
    """The resident set of a node, in bytes."""

    def look(self):
        return self.node.resident()


class OpenFiles(Watch):
    def look(self):
        return self.node.open_files()


class Times:
    """When how many records of each (topic, partition) were seen."""

    def __init__(self, lanes):
        self.seen = {lane: [] for lane in lanes}

    def silence(self, lane, start, end):
        """The longest time between two arrivals within, the edges counted as arrivals."""
        times = [start, *(at for at, _ in list(self.seen[lane]) if start < at < end), end]
        return max(later - earlier for earlier, later in zip(times, times[1:]))

    def rate(self, lanes, start, end):
        """Records per second of all these together."""
        return sum(count for lane in lanes for at, count in list(self.seen[lane]) if start < at <= end) / (end - start)


class Arrivals(Times):
    """Reads along from the beginning, as a consumer that knows nothing of the product, and notes when what arrived by its own clock."""

    def __init__(self, bootstrap, lanes):
        super().__init__(lanes)
        self.keys, self.done = {}, threading.Event()
        # One dead broker must not blind it to the others: it looks for new leaders every second, and waits for no answer longer than two.
        self.consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "watch", "enable.auto.commit": False, "log_level": 0,
                                  "auto.offset.reset": "earliest", "topic.metadata.refresh.interval.ms": 1000, "socket.timeout.ms": 2000,
                                  "fetch.wait.max.ms": 100, "reconnect.backoff.max.ms": 500})
        self.consumer.assign([TopicPartition(topic, partition, 0) for topic, partition in lanes])
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()

    def _watch(self):
        while not self.done.is_set():
            counts = {}
            for message in self.consumer.consume(1000, timeout=0.1):
                if not message.error():
                    lane = (message.topic(), message.partition())
                    counts[lane] = counts.get(lane, 0) + 1
                    self.keys[lane] = message.key()
            for lane, count in counts.items():
                self.seen[lane].append((time.monotonic(), count))

    def close(self):
        self.done.set()
        self.thread.join()
        self.consumer.close()
