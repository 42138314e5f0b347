"""Kafka's wire by hand, as little as it takes to say wrong things in it."""
import socket
import struct
import time
import zlib

HOST = "127.0.0.1"
PRODUCE, FETCH, LIST_OFFSETS, METADATA, API_VERSIONS, CREATE_TOPICS, DELETE_TOPICS = 0, 1, 2, 3, 18, 19, 20
OFFSET_FETCH, FIND_COORDINATOR = 9, 10
CORRUPT, UNKNOWN_TOPIC, TOO_LARGE, INVALID_RECORD, INVALID_TIMESTAMP, UNSUPPORTED_VERSION = 2, 3, 10, 87, 32, 35
ALTER_PARTITION_REASSIGNMENTS = 45
INVALID_ACKS, UNSUPPORTED_CODEC = 21, 76

CRC32C = []
for value in range(256):
    for _ in range(8):
        value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
    CRC32C.append(value)


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = CRC32C[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def string(text):
    return struct.pack(">h", -1) if text is None else struct.pack(">h", len(text)) + text.encode()


def sized(data):
    return struct.pack(">i", -1) if data is None else struct.pack(">i", len(data)) + data


def array(items):
    return struct.pack(">i", len(items)) + b"".join(items)


def varint(number):
    number = (number << 1) ^ (number >> 63)
    out = b""
    while number & ~0x7F:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def record(offset_delta, value, key=None, headers=0):
    body = b"\0" + varint(0) + varint(offset_delta)
    for field in (key, value):
        body += varint(-1) if field is None else varint(len(field)) + field
    body += varint(headers)
    return varint(len(body)) + body


def batch(records, count=None, crc=None, attributes=0, magic=2, last_delta=None, length=None, producer=(-1, -1, -1),
          timestamps=None):
    """A record batch. `records` is their encoding, or a list of values; what is named else is told, true or not."""
    if isinstance(records, list):
        count = len(records) if count is None else count
        records = b"".join(record(i, value) for i, value in enumerate(records))
    last_delta = count - 1 if last_delta is None else last_delta
    timestamps = timestamps or (int(time.time() * 1000),) * 2  # what is old falls to retention
    tail = struct.pack(">hiqqqhii", attributes, last_delta, *timestamps, *producer, count) + records
    crc = crc32c(tail) if crc is None else crc
    rest = struct.pack(">ibI", -1, magic, crc) + tail
    return struct.pack(">qi", 0, len(rest) if length is None else length) + rest


def request(key, version, body, correlation=1, client="hand-made"):
    frame = struct.pack(">hhi", key, version, correlation) + string(client) + body
    return struct.pack(">i", len(frame)) + frame


def produce(topic, records, acks=-1, partition=0, version=3, timeout=10000):
    body = string(None) + struct.pack(">hi", acks, timeout)
    body += array([string(topic) + array([struct.pack(">i", partition) + sized(records)])])
    return request(PRODUCE, version, body)


def metadata(topics, version=1):
    return request(METADATA, version, struct.pack(">i", -1) if topics is None else array([string(t) for t in topics]))


def create_topic(name, partitions=1, replicas=1, configs=(), timeout_ms=10000):
    settings = array([string(key) + string(value) for key, value in configs])
    topic = string(name) + struct.pack(">ih", partitions, replicas) + array([]) + settings
    return request(CREATE_TOPICS, 0, array([topic]) + struct.pack(">i", timeout_ms))


def delete_topic(name):
    return request(DELETE_TOPICS, 1, array([string(name)]) + struct.pack(">i", 10000))


def compact(items):
    return bytes([len(items) + 1]) + b"".join(items)


def reassign(topic, targets):
    """AlterPartitionReassignments, version 0: {partition: node ids}."""
    moves = [struct.pack(">i", partition) + compact([struct.pack(">i", node) for node in nodes]) + b"\0"
             for partition, nodes in targets.items()]
    name = bytes([len(topic) + 1]) + topic.encode()
    body = struct.pack(">i", 30000) + compact([name + compact(moves) + b"\0"]) + b"\0"
    return request(ALTER_PARTITION_REASSIGNMENTS, 0, b"\0" + body)


def alter_client_quota(client_id, key, rate):
    """Of one client id; rate None: it is taken away."""
    entity = array([string("client-id") + string(client_id)])
    op = string(key) + struct.pack(">db", rate or 0.0, rate is None)
    return request(49, 0, array([entity + array([op])]) + b"\0")


def list_offsets(topic, timestamp=-1, partition=0):
    asked = string(topic) + array([struct.pack(">iq", partition, timestamp)])
    return request(LIST_OFFSETS, 1, struct.pack(">i", -1) + array([asked]))


def fetch(topic, offset, wait_ms=0, min_bytes=1, max_bytes=1 << 20, partition_max=1 << 20, partition=0):
    asked = string(topic) + array([struct.pack(">iqi", partition, offset, partition_max)])
    body = struct.pack(">iiiib", -1, wait_ms, min_bytes, max_bytes, 0) + array([asked])
    return request(FETCH, 4, body)


def find_coordinator(group):
    return request(FIND_COORDINATOR, 0, string(group))


def offset_fetch(group, topic, partitions):
    asked = string(topic) + array([struct.pack(">i", partition) for partition in partitions])
    return request(OFFSET_FETCH, 1, string(group) + array([asked]))


def api_versions(version=0):
    return request(API_VERSIONS, version, b"")


class Closed(Exception):
    """The broker ended the connection."""


class Link:
    """One connection."""

    def __init__(self, address, seconds=15):
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), timeout=seconds)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            raise Closed from None

    def take(self, size):
        data = bytearray()
        while len(data) < size:
            try:
                more = self.socket.recv(min(size - len(data), 1 << 20))
            except ConnectionResetError:
                more = b""
            if not more:
                raise Closed
            data += more
        return bytes(data)

    def answer(self):
        """The next response: its correlation id and what follows."""
        (size,) = struct.unpack(">i", self.take(4))
        frame = self.take(size)
        return struct.unpack(">i", frame[:4])[0], frame[4:]

    def ask(self, data):
        self.send(data)
        return self.answer()[1]

    def is_closed(self):
        """True when the broker closes it; what it says before does not count."""
        try:
            while True:
                self.answer()
        except Closed:
            return True
        except socket.timeout:
            return False


def produce_result(answer):
    """Error and base offset of the one partition in a Produce answer, version 3."""
    (topics,) = struct.unpack_from(">i", answer, 0)
    (name,) = struct.unpack_from(">h", answer, 4)
    at = 4 + 2 + name + 4
    assert topics == 1
    _, error, offset = struct.unpack_from(">ihq", answer, at)
    return error, offset


def list_offsets_result(answer):
    (name,) = struct.unpack_from(">h", answer, 4)
    _, error, _, offset = struct.unpack_from(">ihqq", answer, 4 + 2 + name + 4)
    return error, offset


def fetch_result(answer):
    """Error, high watermark and record bytes of the one partition in a Fetch answer, version 4."""
    (name,) = struct.unpack_from(">h", answer, 8)
    at = 8 + 2 + name + 4
    _, error, high, _, aborted = struct.unpack_from(">ihqqi", answer, at)
    at += 26 + 16 * max(aborted, 0)
    (size,) = struct.unpack_from(">i", answer, at)
    return error, high, answer[at + 4:at + 4 + max(size, 0)]


def create_result(answer):
    (name,) = struct.unpack_from(">h", answer, 4)
    return struct.unpack_from(">h", answer, 4 + 2 + name)[0]


def coordinator_result(answer):
    """The node; None where there is none yet."""
    error, node_id = struct.unpack_from(">hi", answer, 0)
    return None if error else node_id


def offset_fetch_result(answer):
    """The committed offset of each partition, -1 where none is; None where the coordinator does not say."""
    (name,) = struct.unpack_from(">h", answer, 4)
    at = 4 + 2 + name
    (count,) = struct.unpack_from(">i", answer, at)
    at, offsets = at + 4, {}
    for _ in range(count):
        partition, offset, size = struct.unpack_from(">iqh", answer, at)
        at += 14 + max(size, 0)
        (error,) = struct.unpack_from(">h", answer, at)
        at += 2
        if error:
            return None
        offsets[partition] = offset
    return offsets


def reassign_result(answer):
    """The first error, of all of it or of a partition."""
    error, message = struct.unpack_from(">hB", answer, 1 + 4)
    if error != 0:
        return error
    at = 1 + 4 + 3 + max(message - 1, 0) + 1
    at += answer[at]  # the topic's name, with its size
    for _ in range(answer[at] - 1):
        _, error, message = struct.unpack_from(">ihB", answer, at + 1)
        if error != 0:
            return error
        at += 4 + 3 + max(message - 1, 0) + 1
    return 0


def delete_result(answer):
    """Of DeleteTopics, version 1."""
    (name,) = struct.unpack_from(">h", answer, 8)
    return struct.unpack_from(">h", answer, 8 + 2 + name)[0]


def values(records):
    """Offsets and values of uncompressed batches."""
    out, at = [], 0
    while at + 61 <= len(records):
        base, length = struct.unpack_from(">qi", records, at)
        end = at + 12 + length
        if end > len(records):
            break
        (count,) = struct.unpack_from(">i", records, at + 57)
        inside = at + 61
        for index in range(count):
            _, inside = read_varint(records, inside)
            inside += 1
            _, inside = read_varint(records, inside)
            _, inside = read_varint(records, inside)
            size, inside = read_varint(records, inside)
            inside += max(size, 0)
            size, inside = read_varint(records, inside)
            out.append((base + index, None if size < 0 else records[inside:inside + size]))
            inside += max(size, 0)
            _, inside = read_varint(records, inside)
        at = end
    return out


def read_varint(data, at):
    shift = number = 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return (number >> 1) ^ -(number & 1), at


def gzip_bomb(size):
    """Much from little: a gzip stream of zeros."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    zeros = bytes(1 << 20)
    out = b"".join(packer.compress(zeros) for _ in range(size >> 20))
    return out + packer.flush()


def packed(data):
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return packer.compress(data) + packer.flush()
