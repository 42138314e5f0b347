"""kafka-python: a client written in Python alone."""
import os
import sys
import time

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient, NewPartitions, NewTopic
from kafka.errors import (InvalidPartitionsError, KafkaError, MessageSizeTooLargeError, TopicAlreadyExistsError,
                          UnknownTopicOrPartitionError)

from cases import require, run, same

BROKER = sys.argv[1] if len(sys.argv) > 1 else ""
UNIQUE = os.getpid()
SECONDS = 20


def topic(name):
    return f"kafka-python.{name}.{UNIQUE}"


def admin():
    return KafkaAdminClient(bootstrap_servers=BROKER)


def create(name, partitions=1, configs=None):
    with_admin = admin()
    with_admin.create_topics([NewTopic(topic(name), partitions, 1, topic_configs=configs or {})])
    with_admin.close()
    return topic(name)


def produce(name, messages, **settings):
    """Messages are dictionaries of send()'s arguments. Returns what was told about them."""
    producer = KafkaProducer(bootstrap_servers=BROKER, linger_ms=5, **settings)
    futures = [producer.send(name, **message) for message in messages]
    producer.flush(SECONDS)
    told = [future.get(SECONDS) for future in futures]
    producer.close()
    return told


def consumer_at(name, partition=0, offset=0, **settings):
    consumer = KafkaConsumer(bootstrap_servers=BROKER, enable_auto_commit=False, check_crcs=True, **settings)
    consumer.assign([TopicPartition(name, partition)])
    consumer.seek(TopicPartition(name, partition), offset)
    return consumer


def consume(name, count, partition=0, offset=0, **settings):
    consumer = consumer_at(name, partition, offset, **settings)
    found, end = [], time.monotonic() + SECONDS
    while len(found) < count:
        for messages in consumer.poll(1000).values():
            found += messages
        require(time.monotonic() < end, f"{len(found)} of {count} messages come")
    consumer.close()
    return found


def compression():
    for codec in (None, "gzip", "snappy", "lz4", "zstd"):
        name = create(f"{codec}")
        values = [f"value {i} ".encode() * 20 for i in range(500)]
        told = produce(name, [{"value": value, "partition": 0} for value in values], compression_type=codec)
        same([each.offset for each in told], list(range(500)), codec)
        same([each.value for each in consume(name, 500)], values, codec)


def keys_headers_and_nulls():
    name = create("fields")
    messages = [{"key": b"k", "value": b"v", "headers": [("h", b"1"), ("h", b"")]}, {"key": b"", "value": b""},
                {"key": b"k", "value": None}, {"value": b"v"}]
    produce(name, messages)
    found = consume(name, 4)
    same([(m.key, m.value) for m in found], [(b"k", b"v"), (b"", b""), (b"k", None), (None, b"v")])
    same(list(found[0].headers), [("h", b"1"), ("h", b"")])
    same([m.offset for m in found], [0, 1, 2, 3])


def acks():
    for level in (1, "all"):  # 0: this client loses them on its own, before Apache Kafka too
        name = create(f"acks.{level}")
        produce(name, [{"value": str(i).encode()} for i in range(100)], acks=level)
        same([int(m.value) for m in consume(name, 100)], list(range(100)), f"acks={level}")


def idempotent():
    name = create("idempotent")
    told = produce(name, [{"value": str(i).encode()} for i in range(1000)], enable_idempotence=True)
    same([each.offset for each in told], list(range(1000)))
    same([int(m.value) for m in consume(name, 1000)], list(range(1000)))


def large_messages():
    name = create("large")
    value = os.urandom(1_000_000)
    produce(name, [{"value": value}], max_request_size=2_000_000)
    (found,) = consume(name, 1, max_partition_fetch_bytes=100)
    require(found.value == value, "another value")
    try:
        produce(name, [{"value": os.urandom(1_100_000)}], max_request_size=2_000_000, retries=0)
    except MessageSizeTooLargeError:
        return
    raise AssertionError("more than max.message.bytes is taken")


def offsets():
    name = create("offsets", 2)
    base = int(time.time() * 1000) - 1_000_000
    produce(name, [{"value": b"x", "partition": 0, "timestamp_ms": base + i * 100} for i in range(50)])
    consumer = consumer_at(name)
    here, other = TopicPartition(name, 0), TopicPartition(name, 1)
    same(consumer.beginning_offsets([here, other]), {here: 0, other: 0})
    same(consumer.end_offsets([here, other]), {here: 50, other: 0})
    found = consumer.offsets_for_times({here: base + 450, other: base})
    same((found[here].offset, found[here].timestamp, found[other]), (5, base + 500, None))
    same(consumer.offsets_for_times({here: base + 5000})[here], None, "after all")
    consumer.close()


def many_partitions():
    name = create("many", 50)
    produce(name, [{"value": str(i).encode(), "partition": i % 50} for i in range(1000)],
            enable_idempotence=True)
    consumer = KafkaConsumer(bootstrap_servers=BROKER, enable_auto_commit=False)
    consumer.assign([TopicPartition(name, i) for i in range(50)])
    consumer.seek_to_beginning()
    found, end = {i: [] for i in range(50)}, time.monotonic() + SECONDS
    while sum(map(len, found.values())) < 1000:
        for where, messages in consumer.poll(1000).items():
            found[where.partition] += [int(m.value) for m in messages]
        require(time.monotonic() < end, "not all messages come")
    consumer.close()
    for partition, values in found.items():
        same(values, list(range(partition, 1000, 50)))


def long_poll():
    name = create("poll")
    consumer = consumer_at(name, fetch_max_wait_ms=5000)
    same(consumer.poll(200), {}, "an empty topic")
    begin = time.monotonic()
    produce(name, [{"value": b"x"}])
    while not consumer.poll(100):
        require(time.monotonic() - begin < 4, "it comes late")
    consumer.close()


def administration():
    client = admin()
    name = create("administered", 2, {"retention.ms": "5000000"})
    try:
        client.create_topics([NewTopic(name, 1, 1)])
        raise AssertionError("created twice")
    except TopicAlreadyExistsError:
        pass
    (described,) = client.describe_topics([name])
    same(len(described["partitions"]), 2)
    require(name in client.list_topics(), "not listed")
    client.create_partitions({name: NewPartitions(4)})
    same(len(client.describe_topics([name])[0]["partitions"]), 4)
    try:
        client.create_partitions({name: NewPartitions(1)})
        raise AssertionError("shrunk")
    except InvalidPartitionsError:
        pass
    cluster = client.describe_cluster()
    same([f"{each['host']}:{each['port']}" for each in cluster["brokers"]], [BROKER])
    client.delete_topics([name])
    end = time.monotonic() + SECONDS  # Apache Kafka answers before the metadata is everywhere
    while name in client.list_topics():
        require(time.monotonic() < end, "still listed")
    try:
        client.delete_topics([name])
        raise AssertionError("deleted twice")
    except UnknownTopicOrPartitionError:
        pass
    client.close()


def configs():
    client = admin()
    name = create("configured", 1, {"retention.ms": "5000000"})

    def value(key):
        described = client.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)])
        entries = described[0].resources[0][4] if isinstance(described, list) else described.resources[0][4]
        return {entry[0]: entry[1] for entry in entries}[key]
    same((value("retention.ms"), value("cleanup.policy")), ("5000000", "delete"))
    client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, {"segment.ms": "700000"})])
    same((value("segment.ms"), value("retention.ms")), ("700000", "604800000"), "AlterConfigs replaces all")
    client.close()


def delete_records():
    client = admin()
    name = create("trimmed")
    produce(name, [{"value": str(i).encode()} for i in range(30)])
    client.delete_records({TopicPartition(name, 0): 10})
    same([int(m.value) for m in consume(name, 20, offset=10)], list(range(10, 30)))
    consumer = consumer_at(name)
    same(consumer.beginning_offsets([TopicPartition(name, 0)]), {TopicPartition(name, 0): 10})
    consumer.close()
    client.close()


def out_of_range():
    name = create("range")
    produce(name, [{"value": b"x"}])
    consumer = consumer_at(name, offset=500, auto_offset_reset="none")
    try:
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            consumer.poll(500)
        raise AssertionError("nothing is said")
    except KafkaError as error:
        same(type(error).__name__, "OffsetOutOfRangeError")
    consumer.close()


def groups():
    """Two members share a topic; who comes after them goes on where they ended."""
    name = create("groups", 4)
    settings = {"bootstrap_servers": BROKER, "group_id": name, "auto_offset_reset": "earliest",
                "enable_auto_commit": False, "session_timeout_ms": 10000, "heartbeat_interval_ms": 500}
    produce(name, [{"value": str(i).encode(), "partition": i % 4} for i in range(80)])
    members = [KafkaConsumer(name, **settings) for _ in range(2)]
    found, end = [], time.monotonic() + 2 * SECONDS
    while len(found) < 80 or not all(len(member.assignment()) == 2 for member in members):
        for member in members:
            batches = member.poll(200)
            found += [int(message.value) for messages in batches.values() for message in messages]
            if batches:
                try:
                    member.commit()
                except KafkaError:
                    pass  # a rebalance came in between: they are read again
        require(time.monotonic() < end, f"{len(set(found))} of 80 messages, {[m.assignment() for m in members]}")
    same(sorted(set(found)), list(range(80)))
    for member in members:
        member.commit()
        member.close()
    produce(name, [{"value": b"80", "partition": 3}])
    again = KafkaConsumer(name, **settings)
    later, end = [], time.monotonic() + 2 * SECONDS
    while not later:
        later += [int(message.value) for messages in again.poll(500).values() for message in messages]
        require(time.monotonic() < end, "the last message comes")
    same(later, [80])
    again.close()
    client = admin()
    require(name in [group[0] if isinstance(group, tuple) else group["group_id"] for group in
                     client.list_consumer_groups()], "it is listed")
    client.close()


if __name__ == "__main__":
    run([compression, keys_headers_and_nulls, acks, idempotent, large_messages, offsets, many_partitions, long_poll,
         administration, configs, delete_records, out_of_range, groups])
