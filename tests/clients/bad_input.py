"""What clients should never send, over real sockets: each gets Kafka's error or a closed connection, and costs nothing.

    bad_input.py HOST:PORT     the answers only, from a broker that is there already"""
import functools
import gzip
import os
import random
import socket
import struct
import sys
import threading
import time

import wire
from server import Failure, Server, require, until
from wire import Closed, Link

MIB = 1 << 20
# Of the server's memory, over all of this: buffers with a bound fill up (the largest is 128 MiB for what is unpacked),
GROWTH_MAX = 256 * MIB
GROWTH_AGAIN_MAX = 16 * MIB  # and when it is all done again, they are there already.
TOPIC = "bad.input"
SEEDS = int(os.environ.get("CHRONIK_BAD_INPUT_SEEDS", "2000"))


def frame(data):
    return struct.pack(">i", len(data)) + data


def header(key, version, correlation=7):
    return struct.pack(">hhi", key, version, correlation) + wire.string("bad")


# ---- frames after which there is nothing to say: the connection is closed ----

CLOSING = [
    ("a negative size", struct.pack(">i", -1) + b"x" * 20),
    ("the smallest size", struct.pack(">i", -(1 << 31))),
    ("a size of 0", struct.pack(">i", 0)),
    ("a frame without a header", frame(b"\0\3")),
    ("a header cut short", frame(struct.pack(">hhi", wire.METADATA, 1, 1))),
    ("a size above socket.request.max.bytes", struct.pack(">i", 100 * MIB + 1) + b"x" * 100),
    ("the largest size", struct.pack(">i", (1 << 31) - 1) + b"x" * 100),
    ("HTTP", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    ("TLS", bytes.fromhex("16030100c8010000c40303") + b"\0" * 200),
    ("an unknown api key", wire.request(9999, 0, b"")),
    ("a negative api key", wire.request(-1, 0, b"")),
    ("an unknown version of Metadata", wire.request(wire.METADATA, 99, b"\0" * 16)),
    ("a negative version", wire.request(wire.METADATA, -1, b"\0" * 16)),
    ("an old version of Produce", wire.request(wire.PRODUCE, 2, b"\0" * 32)),
    ("a new version of Produce", wire.request(wire.PRODUCE, 99, b"\0" * 32)),
    ("a client id beyond the frame", frame(struct.pack(">hhi", wire.METADATA, 1, 1) + struct.pack(">h", 500) + b"abc")),
    ("a client id of negative size", frame(struct.pack(">hhi", wire.METADATA, 1, 1) + struct.pack(">h", -2))),
    ("an array of more than the frame holds", frame(header(wire.METADATA, 1) + struct.pack(">i", 1000) + b"\0\1a")),
    ("an array of two thousand millions", frame(header(wire.METADATA, 1) + struct.pack(">i", (1 << 31) - 1))),
    ("a body cut short", frame(header(wire.FETCH, 4) + struct.pack(">iii", -1, 0, 0))),
    ("no body", frame(header(wire.PRODUCE, 3))),
    ("a topic name beyond the frame", frame(header(wire.METADATA, 1) + struct.pack(">ih", 1, 300) + b"abc")),
    ("a varint without an end", frame(header(wire.METADATA, 9) + b"\0" + b"\xff" * 12)),
    ("a compact array larger than all", frame(header(wire.METADATA, 9) + b"\0" + b"\xff\xff\xff\xff\x07")),
    ("records beyond the frame", frame(header(wire.PRODUCE, 3) + wire.string(None) + struct.pack(">hi", -1, 1000) +
                                       struct.pack(">i", 1) + wire.string(TOPIC) + struct.pack(">iii", 1, 0, 5000))),
]


def closing(server):
    for why, data in CLOSING:
        with Link(server.address) as link:
            try:
                link.send(data)
            except Closed:
                continue
            require(link.is_closed() or server.is_kafka and "old version" in why, f"{why}: the connection stays open")


def closing_after_good_ones(server):
    """What came before the bad frame on the same connection is answered first."""
    with Link(server.address) as link:
        link.send(wire.metadata([], 1) * 3 + struct.pack(">i", -5))
        for _ in range(3):
            link.answer()
        require(link.is_closed(), "the connection stays open")


def unknown_api_versions(server):
    with Link(server.address) as link:
        answer = link.ask(wire.request(wire.API_VERSIONS, 99, b"\0"))
        error, count = struct.unpack_from(">hi", answer)
        require(error == wire.UNSUPPORTED_VERSION, f"error {error}")
        keys = [struct.unpack_from(">hhh", answer, 6 + 6 * i) for i in range(count)]
        require(any(key == wire.API_VERSIONS for key, _, _ in keys), f"without ApiVersions itself: {keys}")
        link.ask(wire.api_versions(0))  # and the connection goes on


# ---- batches that are refused, each by Kafka's error ----

GOOD = [b"value"] * 3


def batch_rows():
    good = wire.batch(GOOD)
    flipped = good[:-1] + bytes([good[-1] ^ 1])
    zstd_garbage = wire.batch(b"not compressed at all", count=3, attributes=4)
    one = wire.record(0, b"value")
    return [
        ("a good one", good, (0,)),
        ("one of several values", wire.batch([b"a", None, b""]), (0,)),
        ("a wrong CRC", wire.batch(GOOD, crc=1), (wire.CORRUPT,)),
        ("a flipped bit", flipped, (wire.CORRUPT,)),
        ("no bytes", b"", (wire.INVALID_RECORD,)),
        ("half a header", good[:30], (wire.INVALID_RECORD, wire.CORRUPT)),
        ("a batch cut short", good[:-2], (wire.INVALID_RECORD, wire.CORRUPT)),
        ("two batches", good + good, (wire.INVALID_RECORD,)),
        ("a batch and half of one", good + good[:40], (0, wire.INVALID_RECORD, wire.CORRUPT)),
        ("magic 0", wire.batch(GOOD, magic=0), (wire.INVALID_RECORD, wire.CORRUPT)),
        ("magic 1", wire.batch(GOOD, magic=1), (wire.INVALID_RECORD, wire.CORRUPT)),
        ("magic 3", wire.batch(GOOD, magic=3), (wire.INVALID_RECORD, wire.CORRUPT)),
        ("a length below a header's", wire.batch(GOOD, length=10), (wire.INVALID_RECORD, wire.CORRUPT)),
        ("a negative length", wire.batch(GOOD, length=-5), (wire.INVALID_RECORD, wire.CORRUPT)),
        ("a length beyond the data", wire.batch(GOOD, length=1 << 30), (wire.INVALID_RECORD, wire.CORRUPT)),
        ("no records in it", wire.batch(b"", count=0), (wire.INVALID_RECORD,)),
        ("more records told than there are", wire.batch(one, count=2), (wire.INVALID_RECORD, wire.CORRUPT)),
        ("fewer records told than there are", wire.batch(one * 2, count=1), (wire.INVALID_RECORD, wire.CORRUPT)),
        ("a negative count", wire.batch(one, count=-1, last_delta=0), (wire.INVALID_RECORD,)),
        ("a huge count", wire.batch(one, count=(1 << 31) - 1), (wire.INVALID_RECORD, wire.CORRUPT)),
        ("a last offset that is not the count", wire.batch(GOOD, last_delta=7), (wire.INVALID_RECORD,)),
        ("a record longer than the batch", wire.batch(wire.varint(5000) + one[1:], count=1),
         (wire.INVALID_RECORD, wire.CORRUPT)),
        ("a record of negative length", wire.batch(wire.varint(-4) + one[1:], count=1),
         (wire.INVALID_RECORD, wire.CORRUPT)),
        ("more headers than bytes", wire.batch(wire.record(0, b"value", headers=1 << 28), count=1),
         (wire.INVALID_RECORD, wire.CORRUPT)),
        ("the control bit", wire.batch(GOOD, attributes=0x20), (wire.INVALID_RECORD,)),
        ("the bit for log append time", wire.batch(GOOD, attributes=0x08), (0, wire.INVALID_TIMESTAMP,)),
        ("codec 5", wire.batch(GOOD, attributes=5), (wire.INVALID_RECORD, wire.CORRUPT, wire.UNSUPPORTED_CODEC)),
        ("zstd in a Produce that knows no zstd", zstd_garbage, (wire.UNSUPPORTED_CODEC,)),
        ("a producer without a sequence", wire.batch(GOOD, producer=(5, 0, -1)), (wire.INVALID_RECORD,)),
        ("larger than max.message.bytes", wire.batch([b"x" * (MIB + 100)]), (wire.TOO_LARGE,)),
        ("garbage called gzip", wire.batch(b"garbage" * 9, count=3, attributes=1),
         (wire.INVALID_RECORD, wire.CORRUPT)),
        ("garbage called snappy", wire.batch(b"garbage" * 9, count=3, attributes=2),
         (wire.INVALID_RECORD, wire.CORRUPT)),
        ("garbage called lz4", wire.batch(b"garbage" * 9, count=3, attributes=3),
         (wire.INVALID_RECORD, wire.CORRUPT)),
        ("a gzip stream cut short", wire.batch(gzip.compress(one * 50)[:-20], count=50, attributes=1),
         (wire.INVALID_RECORD, wire.CORRUPT)),
    ]


def batches(server):
    end = None
    for why, records, errors in batch_rows():
        with Link(server.address) as link:
            error, offset = wire.produce_result(link.ask(wire.produce(TOPIC, records)))
            require(error in errors or server.is_kafka and error == -1, f"{why}: error {error}, not {errors}")
            if error == 0:
                require(end in (None, offset), f"{why}: offset {offset}, but the log ended at {end}")
                end = offset + 3
    with Link(server.address) as link:
        error, offset = wire.list_offsets_result(link.ask(wire.list_offsets(TOPIC)))
        require((error, offset) == (0, end), f"the log ends at {offset}, not {end} (error {error})")


def produce_errors(server):
    good = wire.batch(GOOD)
    rows = [
        ("an unknown topic", wire.produce("no.such.topic", good), wire.UNKNOWN_TOPIC),
        ("an unknown partition", wire.produce(TOPIC, good, partition=77), wire.UNKNOWN_TOPIC),
        ("a negative partition", wire.produce(TOPIC, good, partition=-3), wire.UNKNOWN_TOPIC),
        ("acks=5", wire.produce(TOPIC, good, acks=5), wire.INVALID_ACKS),
    ]
    with Link(server.address) as link:
        for why, data, wanted in rows:
            error, _ = wire.produce_result(link.ask(data))
            require(error == wanted, f"{why}: error {error}, not {wanted}")


def acks_0_has_no_answer_but_an_error_closes(server):
    with Link(server.address) as link:
        link.send(wire.produce(TOPIC, wire.batch(GOOD), acks=0))
        link.ask(wire.metadata([TOPIC]))  # the first answer is the second request's
        link.send(wire.produce(TOPIC, wire.batch(GOOD, crc=1), acks=0))
        require(link.is_closed(), "the connection stays open")


ANSWERS = [closing, closing_after_good_ones, unknown_api_versions, batches, produce_errors,
           acks_0_has_no_answer_but_an_error_closes]


# ---- what would like to eat memory ----

@functools.lru_cache(maxsize=None)
def bomb_rows():
    many = wire.packed(wire.record(0, b"") * 8_000_000)
    return [("one record of zeros", wire.produce(TOPIC, wire.batch(wire.gzip_bomb(512 * MIB), count=1, attributes=1))),
            ("millions of records", wire.produce(TOPIC, wire.batch(many, count=8_000_000, attributes=1)))]


def bombs(server):
    """Hundreds of megabytes from a few hundred kilobytes."""
    with Link(server.address) as link:
        for why, data in bomb_rows():
            begin = time.monotonic()
            error, _ = wire.produce_result(link.ask(data))
            require(error in (wire.INVALID_RECORD, wire.CORRUPT, wire.TOO_LARGE), f"{why}: error {error}")
            require(time.monotonic() - begin < 5, f"{why}: {time.monotonic() - begin:.1f} s of work")


def huge_frames_announced(server):
    """Each connection announces the largest request there may be, and sends little of it."""
    links = [Link(server.address) for _ in range(60)]
    try:
        for link in links:
            link.send(struct.pack(">i", 99 * MIB) + header(wire.PRODUCE, 3) + bytes(64 * 1024))
        good(server)
    finally:
        for link in links:
            link.socket.close()


def deaf_clients(server):
    """They ask for much and take nothing."""
    data = wire.produce("deaf", wire.batch([b"x" * 900_000]))
    with Link(server.address) as link:
        for _ in range(60):
            require(wire.produce_result(link.ask(data))[0] == 0, "fill")
    links = []
    try:
        for _ in range(20):
            link = Link(server.address)
            link.socket.settimeout(0.3)
            links.append(link)
            try:
                for _ in range(300):
                    link.send(wire.fetch("deaf", 0, max_bytes=50 * MIB, partition_max=50 * MIB))
            except (socket.timeout, Closed):
                pass
        good(server)
    finally:
        for link in links:
            link.socket.close()


# ---- what would like to occupy it ----

def slow_senders(server):
    """Hundreds of frames, each sent byte by byte; others are served meanwhile."""
    whole = wire.produce(TOPIC, wire.batch(GOOD))
    links = [Link(server.address) for _ in range(300)]
    try:
        for at in range(12):
            for number, link in enumerate(links):
                link.send(whole[at + number % 3:at + number % 3 + 1] if at else whole[:1 + number % 3])
            good(server)
    finally:
        for link in links:
            link.socket.close()


def thousands_of_connections(server):
    before = server.descriptors()
    links = []
    try:
        for number in range(3000):
            try:
                links.append(Link(server.address))
            except OSError as error:
                raise Failure(f"connection {number}: {error}") from None
        ask = wire.metadata([], 1)
        alive = 0
        for link in links:
            try:
                link.send(ask)
            except Closed:
                pass
        for link in links:
            try:
                link.answer()
                alive += 1
            except Closed:
                pass
        require(alive > 900, f"only {alive} of 3000 connections are served")
    finally:
        for link in links:
            link.socket.close()
    until(lambda: server.descriptors() <= before + 8, 20, "closed connections are forgotten")
    good(server)


def ten_thousand_requests_at_once(server):
    """Pipelined on one connection: answered in order."""
    with Link(server.address, 60) as link:
        data = b"".join(wire.request(wire.METADATA, 1, wire.array([]), correlation=i) for i in range(10000))
        sender = threading.Thread(target=link.send, args=(data,), daemon=True)
        sender.start()
        for i in range(10000):
            correlation, _ = link.answer()
            require(correlation == i, f"answer {i} has correlation id {correlation}")
        sender.join()


# ---- noise ----

def samples():
    good_batch = wire.batch(GOOD)
    return [wire.produce(TOPIC, good_batch), wire.fetch(TOPIC, 0), wire.list_offsets(TOPIC), wire.metadata([TOPIC]),
            wire.create_topic("x" * 20), wire.api_versions(0), wire.produce(TOPIC, wire.batch([b"x" * 3000])),
            wire.request(wire.METADATA, 9, b"\0\1\0\0\0\0"), wire.request(22, 4, b"\0\0\0\0\0\0\0\0" * 3),
            wire.request(32, 1, wire.array([b"\2" + wire.string(TOPIC) + struct.pack(">i", -1)]) + b"\0")]


def noise_of(dice):
    """Bytes that look more or less like requests."""
    kind = dice.randrange(4)
    if kind == 0:
        return dice.randbytes(dice.randrange(1, 400))
    if kind == 1:
        body = dice.randbytes(dice.randrange(0, 300))
        return wire.request(dice.randrange(0, 93), dice.randrange(0, 17), body, client=None)
    data = bytearray(dice.choice(samples()))
    for _ in range(dice.randrange(1, 6)):
        at = dice.randrange(4, len(data)) if dice.random() < 0.9 else dice.randrange(len(data))
        data[at] = dice.randrange(256) if dice.random() < 0.7 else dice.choice((0, 0x7F, 0x80, 0xFF))
    if kind == 3:
        data = data[:dice.randrange(1, len(data))] + dice.randbytes(dice.randrange(0, 30))
    return bytes(data)


def noise(server, first_seed=0):
    for seed in range(first_seed, first_seed + SEEDS):
        dice = random.Random(seed)
        data = noise_of(dice)
        try:
            with Link(server.address, 5) as link:
                for at in range(0, len(data), 100):
                    link.send(data[at:at + 100])
                if dice.random() < 0.5:
                    link.socket.shutdown(socket.SHUT_WR)
                    while link.socket.recv(65536):
                        pass
        except (Closed, OSError):
            pass
        require(server.is_alive(), f"seed {seed}: the server is gone; it was sent {data.hex()}")
    good(server)


def noise_costs_no_memory(server):
    noise(server, 1_000_000)
    before = server.memory()
    for round_ in range(4):
        noise(server, 2_000_000 + round_ * SEEDS)
    growth = server.memory() - before
    require(growth < 8 * MIB, f"{SEEDS * 4} bad connections cost {growth // 1024} KiB")


def admin_noise(server):
    rows = [b"\0" * 500, b"GET", b"GET /" + b"x" * 20000 + b" HTTP/1.1\r\n\r\n", b"POST /health HTTP/1.1\r\n\r\n",
            b"GET /health HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"GET /../../etc/passwd HTTP/1.0\r\n\r\n",
            wire.metadata([]), b"GET /health HTTP/1.1\r\n" + b"a: b\r\n" * 5000 + b"\r\n"]
    for data in rows:
        with socket.create_connection(("127.0.0.1", server.admin_port), 5) as link:
            try:
                link.sendall(data)
                link.shutdown(socket.SHUT_WR)
                while link.recv(65536):
                    pass
            except OSError:  # it has had enough
                pass
        require(server.get("/health")[0] == 200, f"after {data[:30]!r}")


def good(server):
    """A client that behaves is served, and soon."""
    begin = time.monotonic()
    with Link(server.address, 20) as link:
        error, offset = wire.produce_result(link.ask(wire.produce("good", wire.batch([b"good"]))))
        require(error == 0, f"a good client gets error {error}")
        error, _, records = wire.fetch_result(link.ask(wire.fetch("good", offset)))
        require(error == 0 and wire.values(records)[0] == (offset, b"good"), "a good client reads something else")
    require(time.monotonic() - begin < 5, f"a good client waited {time.monotonic() - begin:.1f} s")


def create_topics(server):
    for name in (TOPIC, "good", "deaf"):
        with Link(server.address) as link:
            error = wire.create_result(link.ask(wire.create_topic(name)))
            require(error in (0, 36), f"create {name}: error {error}")


HOSTILE = [bombs, huge_frames_announced, deaf_clients, slow_senders, thousands_of_connections,
           ten_thousand_requests_at_once, noise]


def once_more(server):
    """What bounded buffers hold was measured by the first time; a second time costs nothing."""
    before = server.memory()
    for case in HOSTILE:
        case(server)
    growth = server.memory() - before
    require(growth < GROWTH_AGAIN_MAX, f"memory has grown by {growth // 1024} KiB")


def run(report):
    with Server() as server:
        create_topics(server)
        good(server)
        before = server.memory()
        for case in ANSWERS + HOSTILE + [noise_costs_no_memory, admin_noise, once_more]:
            report.run("bad input", case.__name__, one, case, server, before)
            if not server.is_alive():
                raise Failure(f"the server is gone:\n{server.log()[-2000:]}")
        require(len(server.log()) < 512 * 1024, f"the log has grown to {len(server.log())} bytes")


def one(case, server, before):
    case(server)
    require(server.is_alive(), f"the server is gone: {server.log()[-1000:]}")
    growth = server.memory() - before
    require(growth < GROWTH_MAX, f"memory has grown by {growth // 1024} KiB")
    server.judge_log()


def main(address):
    class There:
        """A broker that is there already."""
        is_kafka = True
    There.address = address
    create_topics(There)
    for case in ANSWERS:
        try:
            case(There)
            print("passed", case.__name__)
        except Failure as failure:
            print("failed", case.__name__, failure)


if __name__ == "__main__":
    main(sys.argv[1])
