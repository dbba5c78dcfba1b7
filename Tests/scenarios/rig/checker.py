"""The judge: holds what the load generator was told against what stands in Kafka and in the dead letters.

    lost        acknowledged, and in neither
    torn        some events of a request, not all
    present     refused ("nothing stored"), and stored all the same
    strange     a record that nobody sent, or whose bytes are not those that were sent
    disorder    a first occurrence behind a later one of its key, or a key on two partitions
    far         a repeat further behind its first occurrence than the window in flight
    many        more copies of an event than can be explained
    identity    a forebay-id missing, shared by two events, changed between copies, or not the one the answer gave

All of these must be empty. Repeats inside the window and unknown requests that were stored are counted, not blamed.
"""

from dataclasses import dataclass, field

from . import ledger
from .ledger import OK, REFUSED, UNKNOWN

FAULTS = ("lost", "torn", "present", "strange", "disorder", "far", "many", "identity")
EXAMPLES = 5


@dataclass(slots=True)
class Record:
    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes
    id: bytes | None = None


@dataclass
class Verdict:
    acknowledged: int = 0
    delivered: int = 0
    dead: int = 0
    repeats: int = 0
    recovered: int = 0  # of unknown outcome, and stored
    refused: int = 0
    unknown: int = 0
    faults: dict = field(default_factory=lambda: {name: 0 for name in FAULTS})
    examples: list = field(default_factory=list)

    def blame(self, fault, what):
        self.faults[fault] += 1
        if self.faults[fault] <= EXAMPLES:
            self.examples.append(f"{fault}: {what}")

    @property
    def sound(self):
        return not any(self.faults.values())

    def __str__(self):
        counts = (f"{self.acknowledged} acknowledged, {self.faults['lost']} lost, {self.delivered} in Kafka, {self.dead} dead letters, "
                  f"{self.repeats} repeats, {self.recovered} of unknown outcome stored, {self.refused} refused")
        found = ", ".join(f"{n} {fault}" for fault, n in self.faults.items() if n)
        return counts + (f"; FAULTS: {found}" if found else "") + "".join(f"\n    {example}" for example in self.examples)


class Checker:
    """Feed `see` with every record, each partition in the order of its offsets, and `bury` with the dead letters; then `verdict`."""

    def __init__(self, requests, copies=1, window=None, topics=None):
        """`copies`: how many of an event can be explained: one for each start of the product or of its producer.
        `window`: bytes in flight, None for no bound on a repeat's distance.
        `topics`: from the producer's topic to the one in Kafka, where they differ."""
        self.requests, self.most, self.window, self.topics = requests, copies, window, topics or {}
        self.result = Verdict()
        self.copies = {r: bytearray(request.count) for r, request in requests.items()}
        self.buried = {r: bytearray(request.count) for r, request in requests.items()}
        self.partition_of, self.reached, self.ids, self.owner = {}, {}, {}, {}
        self.bytes_seen, self.first_at = {}, {}

    def see(self, record):
        event = ledger.parse(record.value or b"")
        where = f"{record.topic}[{record.partition}]@{record.offset}"
        request = self.requests.get(event[0]) if event else None
        if not request or not 0 <= event[1] < request.count or self.topics.get(request.topic, request.topic) != record.topic:
            return self.result.blame("strange", f"{where}: {(record.value or b'')[:80]!r}")
        number, index = event
        key = request.key(index)
        size = len(record.value)
        if record.key != key.encode() or ledger.payload(request, index, size) != record.value:
            return self.result.blame("strange", f"{where}: not the bytes of event {number}.{index}, key {record.key!r}")
        self._identify(record, request, event, where)
        lane = (record.topic, record.partition)
        position = self.bytes_seen[lane] = self.bytes_seen.get(lane, 0) + size
        seen = self.copies[number]
        seen[index] = min(255, seen[index] + 1)
        if seen[index] == 1:
            self._first(record.topic, record.partition, key, request.ordinal(index), event, where)
            if self.window is not None:
                self.first_at[event] = position
            return None
        self.result.repeats += 1
        if self.window is not None and position - self.first_at[event] > self.window:
            self.result.blame("far", f"{where}: event {number}.{index}, {position - self.first_at[event]} bytes behind its first copy")
        if seen[index] > self.most:
            self.result.blame("many", f"{where}: copy {seen[index]} of event {number}.{index} where {self.most} can be explained")
        return None

    def _first(self, topic, partition, key, ordinal, event, where):
        lane = (topic, key)
        if self.partition_of.setdefault(lane, partition) != partition:
            self.result.blame("disorder", f"{where}: key {key} also on partition {self.partition_of[lane]}")
        if self.reached.get(lane, -1) >= ordinal:
            self.result.blame("disorder", f"{where}: number {ordinal} of key {key} after number {self.reached[lane]}")
        self.reached[lane] = max(ordinal, self.reached.get(lane, -1))

    def _identify(self, record, request, event, where):
        """Ids as text are heavy by the million: their hashes do for telling them apart."""
        if not record.id:
            return self.result.blame("identity", f"{where}: no forebay-id")
        known = self.owner.setdefault(hash(record.id), event)
        if known != event:
            self.result.blame("identity", f"{where}: {record.id!r} is event {known[0]}.{known[1]} and {event[0]}.{event[1]}")
        if self.copies[event[0]][event[1]] and self.ids.get(event, hash(record.id)) != hash(record.id):
            self.result.blame("identity", f"{where}: another id for a second copy")
        if self.most > 1:
            self.ids[event] = hash(record.id)
        for index, name in ((0, "id"), (request.count - 1, "last_id")):
            told = request.answer.get(name)
            if index == event[1] and told and told.encode() != record.id:
                self.result.blame("identity", f"{where}: {record.id!r}, but the answer's {name} was {told}")
        return None

    def bury(self, value, where="dead letters"):
        """One dead letter by its original value."""
        event = ledger.parse(value)
        if not event or event[0] not in self.requests:
            return self.result.blame("strange", f"{where}: {value[:80]!r}")
        self.buried[event[0]][event[1]] = 1
        return None

    def missing(self):
        """The acknowledged events that are neither in Kafka nor buried, as (request, index)."""
        for number, request in self.requests.items():
            if request.outcome == OK:
                copies, buried = self.copies[number], self.buried[number]
                if 0 in copies:
                    yield from ((number, i) for i in range(request.count) if not copies[i] and not buried[i])

    def verdict(self):
        result = self.result
        for number, index in self.missing():
            result.blame("lost", f"event {number}.{index} of {self.requests[number].topic}")
        for number, request in self.requests.items():
            stored = sum(1 for c, b in zip(self.copies[number], self.buried[number]) if c or b)
            result.delivered += sum(1 for c in self.copies[number] if c)
            result.dead += sum(self.buried[number])
            if request.outcome == OK:
                result.acknowledged += request.count
            elif request.outcome == REFUSED:
                result.refused += request.count
                if stored:
                    result.blame("present", f"{stored} events of request {number}, answered {request.answer.get('status')}")
            elif request.outcome == UNKNOWN:
                result.unknown += request.count
                result.recovered += stored
                if 0 < stored < request.count:
                    result.blame("torn", f"{stored} of {request.count} events of request {number}")
        return result
