"""How tests/golden/segments came to be: a partition's directory, as Apache Kafka 3.9.1 wrote it.

    segments.py HOST:PORT create     the topic
    segments.py HOST:PORT 0          60 batches; then the broker is stopped and started again, which is a new leader epoch
    segments.py HOST:PORT 1          60 more; then the broker is stopped, and the directory is copied without *.snapshot

A broker of one node, process.roles=broker,controller, log.retention.ms=-1. The same batches each time: sizes, keys,
headers and nulls are drawn from a seed, and time goes on, and back now and then."""
import os
import random
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "clients"))
import wire

TOPIC, BATCHES, BEGIN_MS = "golden", 60, 1700000000000
ANY_TIME = str((1 << 63) - 1)
CONFIGS = [("segment.bytes", "6000"), ("index.interval.bytes", "700"), ("segment.index.bytes", "4096"),
           ("retention.ms", "-1"), ("segment.ms", ANY_TIME), ("message.timestamp.before.max.ms", ANY_TIME),
           ("message.timestamp.after.max.ms", ANY_TIME)]


def create(link):
    configs = wire.array([wire.string(name) + wire.string(value) for name, value in CONFIGS])
    topic = wire.string(TOPIC) + struct.pack(">ih", 1, 1) + wire.array([]) + configs
    link.ask(wire.request(wire.CREATE_TOPICS, 0, wire.array([topic]) + struct.pack(">i", 10000)))


def field(data):
    return wire.varint(-1) if data is None else wire.varint(len(data)) + data


def batch(drawn, number):
    count = drawn.choice([1, 1, 2, 3, 5])
    begin = end = BEGIN_MS + number * 1000 - number % 7 * 4000
    records = b""
    for i in range(count):
        key = drawn.choice([None, b"k%d" % drawn.randrange(9)])
        value = drawn.choice([None, b"", bytes([97 + number % 26]) * drawn.randrange(1, 400)])
        headers = drawn.choice([0, 0, 1])
        end = begin + 3 * i
        body = b"\0" + wire.varint(3 * i) + wire.varint(i) + field(key) + field(value) + wire.varint(headers)
        body += (field(b"h") + field(b"hv")) * headers
        records += wire.varint(len(body)) + body
    return wire.batch(records, count=count, timestamps=(begin, end))


def main():
    with wire.Link(sys.argv[1]) as link:
        if sys.argv[2] == "create":
            return create(link)
        life = int(sys.argv[2])
        drawn = random.Random(7 + life)
        for number in range(life * BATCHES, (life + 1) * BATCHES):
            error, _ = wire.produce_result(link.ask(wire.produce(TOPIC, batch(drawn, number))))
            assert error == 0, f"batch {number}: error {error}"


main()
