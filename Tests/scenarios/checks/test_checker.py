"""The checker must see every kind of damage: each test plants one in a log that is otherwise sound."""

import random
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from rig import ledger  # noqa: E402
from rig.checker import FAULTS, Checker, Record  # noqa: E402

KEYS = ["a", "b", "c"]


def history(requests=20, count=4):
    """Requests and the records of a run without faults: two partitions, every third request unknown or refused."""
    counters = dict.fromkeys(KEYS, 0)
    sent, partitions = {}, {0: [], 1: []}
    for number in range(requests):
        request = ledger.Request(number, "t", KEYS, [counters[k] for k in KEYS], count)
        for index in range(count):
            counters[request.key(index)] = request.ordinal(index) + 1
        request.outcome = (ledger.OK, ledger.OK, ledger.UNKNOWN, ledger.OK, ledger.REFUSED)[number % 5]
        sent[number] = request
        if request.outcome == ledger.REFUSED or number % 10 == 2:  # every other unknown request left no trace
            continue
        for index in range(count):
            partition = KEYS.index(request.key(index)) % 2
            log = partitions[partition]
            log.append(record(request, index, partition, len(log)))
        if request.outcome == ledger.OK:
            request.answer = {"id": f"id-{number}-0", "last_id": f"id-{number}-{count - 1}", "status": 202}
    return sent, partitions


def record(request, index, partition, offset):
    identity = f"id-{request.number}-{index}".encode()
    return Record(request.topic, partition, offset, request.key(index).encode(), ledger.payload(request, index, 200), identity)


def judge(sent, partitions, dead=(), **options):
    checker = Checker(sent, **options)
    for log in partitions.values():
        for item in log:
            checker.see(item)
    for value in dead:
        checker.bury(value)
    return checker.verdict()


class CheckerTests(unittest.TestCase):
    def setUp(self):
        self.sent, self.logs = history()
        self.random = random.Random(4)

    def faults(self, **options):
        return {name for name, n in judge(self.sent, self.logs, **options).faults.items() if n}

    def position(self, number, index=0):
        for partition, log in self.logs.items():
            for offset, item in enumerate(log):
                if ledger.parse(item.value) == (number, index):
                    return partition, offset
        raise KeyError(number)

    def test_a_sound_log_is_sound(self):
        verdict = judge(self.sent, self.logs)
        self.assertTrue(verdict.sound, verdict)
        self.assertEqual((verdict.acknowledged, verdict.repeats, verdict.recovered, verdict.refused), (48, 0, 8, 16))
        self.assertEqual(verdict.delivered, 56)

    def test_any_acknowledged_record_missing_is_loss(self):
        for partition, log in self.logs.items():
            for offset, item in enumerate(log):
                if self.sent[ledger.parse(item.value)[0]].outcome == ledger.OK:
                    logs = self.logs | {partition: log[:offset] + log[offset + 1:]}
                    self.assertEqual(judge(self.sent, logs).faults["lost"], 1)

    def test_a_lost_tail_is_loss(self):
        self.logs[0] = self.logs[0][:-3]
        self.assertEqual(self.faults(), {"lost"})

    def test_what_lies_in_the_dead_letters_is_not_lost(self):
        partition, offset = self.position(0)
        gone = self.logs[partition].pop(offset)
        verdict = judge(self.sent, self.logs, dead=[gone.value])
        self.assertTrue(verdict.sound, verdict)
        self.assertEqual(verdict.dead, 1)

    def test_a_dead_letter_that_nobody_sent(self):
        self.assertEqual(judge(self.sent, self.logs, dead=[b"{}"]).faults["strange"], 1)

    def test_half_of_an_unknown_request_is_torn(self):
        partition, offset = self.position(7, 2)
        del self.logs[partition][offset]
        self.assertEqual(self.faults(), {"torn"})

    def test_a_refused_request_that_was_stored(self):
        self.sent[0].outcome = ledger.REFUSED
        self.assertEqual(self.faults(), {"present"})

    def test_a_record_that_nobody_sent(self):
        stranger = ledger.Request(999, "t", KEYS, [0, 0, 0], 4)
        self.logs[1].append(record(stranger, 1, 1, 99))
        self.assertEqual(self.faults(), {"strange"})

    def test_any_flipped_bit_is_seen(self):
        for _ in range(200):
            log = self.logs[self.random.choice((0, 1))]
            item = self.random.choice(log)
            value, bit = bytearray(item.value), self.random.randrange(len(item.value) * 8)
            value[bit // 8] ^= 1 << bit % 8
            sound, item.value = item.value, bytes(value)
            self.assertIn("strange", self.faults())
            item.value = sound

    def test_an_event_under_another_key_or_in_another_topic(self):
        self.logs[0][3].key = b"b"
        self.assertIn("strange", self.faults())
        self.setUp()
        self.logs[0][3].topic = "u"
        self.assertIn("strange", self.faults())

    def test_two_events_of_a_key_exchanged(self):
        offsets = [o for o, item in enumerate(self.logs[1]) if item.key == b"b"][3:5]
        log = self.logs[1]
        log[offsets[0]], log[offsets[1]] = log[offsets[1]], log[offsets[0]]
        self.assertEqual(self.faults(), {"disorder"})

    def test_different_keys_exchanged_is_no_disorder(self):
        log = self.logs[0]
        offset = next(o for o in range(len(log)) if log[o].key != log[o + 1].key)
        log[offset], log[offset + 1] = log[offset + 1], log[offset]
        self.assertEqual(self.faults(), set())

    def test_a_key_on_two_partitions(self):
        offset = max(o for o, item in enumerate(self.logs[0]) if item.key == b"a")
        moved = self.logs[0].pop(offset)
        moved.partition = 1
        self.logs[1].append(moved)
        self.assertEqual(self.faults(), {"disorder"})

    def test_a_run_delivered_again_is_counted_not_blamed(self):
        self.logs[0] = self.logs[0][:10] + self.logs[0][4:]
        verdict = judge(self.sent, self.logs, copies=2, window=10_000)
        self.assertTrue(verdict.sound, verdict)
        self.assertEqual(verdict.repeats, 6)

    def test_a_repeat_without_a_restart(self):
        self.logs[0] = self.logs[0][:10] + self.logs[0][4:]
        self.assertEqual(self.faults(copies=1), {"many"})

    def test_a_repeat_beyond_the_window(self):
        self.logs[0] += self.logs[0][:1]
        self.assertEqual(self.faults(copies=2, window=1000), {"far"})

    def test_a_repeat_before_its_key_ever_got_there_is_disorder(self):
        late = self.logs[0].pop(2)
        self.logs[0] = self.logs[0][:8] + [late] + self.logs[0][8:]
        self.assertEqual(self.faults(copies=2), {"disorder"})

    def test_identity(self):
        for damage in (None, b"id-1-1"):
            self.setUp()
            self.logs[0][0].id = damage
            self.assertEqual(self.faults(), {"identity"})
        self.setUp()
        again = record(self.sent[0], 1, 1, 99)
        again.id = b"other"
        self.logs[1].append(again)
        self.assertEqual(self.faults(copies=2), {"identity"})

    def test_every_fault_is_planted_here(self):
        source = Path(__file__).read_text()
        self.assertEqual([name for name in FAULTS if f'"{name}"' not in source], [])


class LedgerTests(unittest.TestCase):
    def test_round_trip_and_a_torn_last_line(self):
        import tempfile

        with tempfile.TemporaryDirectory() as folder:
            path = f"{folder}/ledger"
            book = ledger.Ledger(path)
            sent, _ = history(3)
            for request in sent.values():
                book.sent(request)
            book.done(sent[1], ledger.OK, id="x")
            book.close()
            with open(path, "a") as file:
                file.write('{"sent": 3, "to')
            read = ledger.read(path)
        self.assertEqual([r.outcome for r in read.values()], ["unknown", "ok", "unknown"])
        self.assertEqual(read[1].answer["id"], "x")
        self.assertEqual((read[2].keys, read[2].first), (sent[2].keys, sent[2].first))

    def test_payload_has_its_size_and_accounts_for_itself(self):
        request = ledger.Request(12, "t", ["k"], [7], 3)
        value = ledger.payload(request, 2, 200)
        self.assertEqual(len(value), 200)
        self.assertEqual(ledger.parse(value), (12, 2))


if __name__ == "__main__":
    unittest.main()
