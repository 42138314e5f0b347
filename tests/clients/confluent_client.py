"""confluent_kafka: a newer librdkafka than the system's, and its administration."""
import os
import sys
import time

from confluent_kafka import (OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Producer, TopicCollection,
                             TopicPartition)
from confluent_kafka.admin import (AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions, NewTopic,
                                   OffsetSpec, ResourceType)

import wire
from cases import require, run, same

BROKER = sys.argv[1] if len(sys.argv) > 1 else ""
UNIQUE = os.getpid()
SECONDS = 20
BASE = {"bootstrap.servers": BROKER, "log_level": 3}


def topic(name):
    return f"confluent.{name}.{UNIQUE}"


ADMIN = AdminClient(BASE)


def create(name, partitions=1, **config):
    new = NewTopic(topic(name), partitions, 1, config={key.replace("_", "."): value for key, value in config.items()})
    for future in ADMIN.create_topics([new], operation_timeout=SECONDS).values():
        future.result(SECONDS)
    return topic(name)


def error_of(futures):
    """The error code of the one future."""
    (future,) = futures.values() if isinstance(futures, dict) else futures
    try:
        future.result(SECONDS)
    except KafkaException as error:
        return error.args[0].code()
    return 0


def produce(name, messages, **settings):
    """Messages are dictionaries of produce()'s arguments. Returns the offsets that were told."""
    told = []

    def on_delivery(error, message):
        require(error is None, error)
        told.append(message.offset())
    producer = Producer({**BASE, "linger.ms": 2, **settings})
    for message in messages:
        producer.produce(name, on_delivery=on_delivery, **message)
        producer.poll(0)
    same(producer.flush(SECONDS), 0, "messages left")
    return told


def consume(name, partition=0, offset=OFFSET_BEGINNING, **settings):
    """Messages from there to the end."""
    consumer = Consumer({**BASE, "group.id": "none", "enable.auto.commit": False, "enable.partition.eof": True,
                         "check.crcs": True, "fetch.wait.max.ms": 50, **settings})
    consumer.assign([TopicPartition(name, partition, offset)])
    found, end = [], time.monotonic() + SECONDS
    try:
        while time.monotonic() < end:
            message = consumer.poll(SECONDS)
            require(message is not None, "nothing comes")
            if message.error():
                same(message.error().code(), KafkaError._PARTITION_EOF, message.error())
                return found
            found.append(message)
    finally:
        consumer.close()
    raise AssertionError("no end")


def compression():
    messages = [{"key": f"key {i}" if i % 3 else None, "value": f"value {i} " * 20 if i % 7 else None,
                 "headers": [("h", str(i).encode()), ("null", None)] if i % 2 else None} for i in range(700)]
    for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
        name = create(codec)
        same(produce(name, messages, **{"compression.type": codec}), list(range(700)), "offsets")
        found = consume(name)
        same(len(found), 700)
        for want, have in zip(messages, found):
            same(have.key() and have.key().decode(), want["key"], "key")
            same(have.value() and have.value().decode(), want["value"], "value")
            same(have.headers(), want["headers"], "headers")


def empty_and_null():
    name = create("empty")
    produce(name, [{"key": b"", "value": b""}, {"key": None, "value": None}, {"key": b"", "value": None}])
    same([(m.key(), m.value()) for m in consume(name)], [(b"", b""), (None, None), (b"", None)])


def idempotent():
    name = create("idempotent", 3)
    producer_settings = {"enable.idempotence": True, "batch.num.messages": 50, "compression.type": "zstd"}
    produce(name, [{"value": str(i), "partition": i % 3} for i in range(3000)], **producer_settings)
    for partition in range(3):
        same([int(m.value()) for m in consume(name, partition)], list(range(partition, 3000, 3)))


def describe_topics_and_cluster():
    name = create("described", 4)
    (future,) = ADMIN.describe_topics(TopicCollection([name])).values()
    described = future.result(SECONDS)
    same(len(described.partitions), 4)
    same([len(each.isr) for each in described.partitions], [1] * 4, "ISR sizes")
    require(str(described.topic_id) != "AAAAAAAAAAAAAAAAAAAAAA", "no topic id")
    cluster = ADMIN.describe_cluster().result(SECONDS)
    same(len(cluster.nodes), 1)
    same(f"{cluster.nodes[0].host}:{cluster.nodes[0].port}", BROKER)
    require(cluster.cluster_id and cluster.controller is not None, "no cluster id or controller")


def configs():
    name = create("configs", retention_ms="100000")
    resource = ConfigResource(ResourceType.TOPIC, name)

    def now():
        (future,) = ADMIN.describe_configs([ConfigResource(ResourceType.TOPIC, name)]).values()
        return future.result(SECONDS)
    have = now()
    same(have["retention.ms"].value, "100000")
    same(have["retention.ms"].is_default, False, "is_default of what was set")
    same(have["max.message.bytes"].value, "1048588")
    same(have["max.message.bytes"].is_default, True, "is_default of what was not set")
    resource.add_incremental_config(ConfigEntry("segment.bytes", "2097152",
                                                incremental_operation=AlterConfigOpType.SET))
    resource.add_incremental_config(ConfigEntry("retention.ms", None, incremental_operation=AlterConfigOpType.DELETE))
    same(error_of(ADMIN.incremental_alter_configs([resource])), 0)
    have = now()
    same((have["segment.bytes"].value, have["retention.ms"].value), ("2097152", "604800000"))
    bad = ConfigResource(ResourceType.TOPIC, name)
    bad.add_incremental_config(ConfigEntry("segment.bytes", "few", incremental_operation=AlterConfigOpType.SET))
    same(error_of(ADMIN.incremental_alter_configs([bad])), KafkaError.INVALID_CONFIG)
    unknown = ConfigResource(ResourceType.TOPIC, "no.such.topic")
    same(error_of(ADMIN.describe_configs([unknown])), KafkaError.UNKNOWN_TOPIC_OR_PART)


def broker_configs():
    (node,) = ADMIN.describe_cluster().result(SECONDS).nodes
    (future,) = ADMIN.describe_configs([ConfigResource(ResourceType.BROKER, str(node.id))]).values()
    have = future.result(SECONDS)
    for key in ("num.partitions", "log.retention.check.interval.ms", "auto.create.topics.enable"):
        require(key in have, f"no {key} among {sorted(have)}")


def create_partitions():
    name = create("grown", 2)
    same(error_of(ADMIN.create_partitions([NewPartitions(name, 5)])), 0)
    same(len(ADMIN.list_topics(name, SECONDS).topics[name].partitions), 5)
    same(produce(name, [{"value": b"x", "partition": 4}]), [0])
    same(error_of(ADMIN.create_partitions([NewPartitions(name, 3)])), KafkaError.INVALID_PARTITIONS)
    same(error_of(ADMIN.create_partitions([NewPartitions("no.such.topic", 3)])), KafkaError.UNKNOWN_TOPIC_OR_PART)


def create_and_delete_topics():
    names = [create(f"many.{i}") for i in range(30)]
    listed = ADMIN.list_topics(timeout=SECONDS).topics
    require(set(names) <= set(listed), "a created topic is not listed")
    for future in ADMIN.delete_topics(names, operation_timeout=SECONDS).values():
        future.result(SECONDS)
    deadline = time.monotonic() + SECONDS  # Apache Kafka answers before the metadata is everywhere
    while set(names) & set(ADMIN.list_topics(timeout=SECONDS).topics):
        require(time.monotonic() < deadline, "a deleted topic is still listed")
    same(error_of(ADMIN.delete_topics(["no.such.topic"])), KafkaError.UNKNOWN_TOPIC_OR_PART)


def list_offsets():
    name = create("offsets")
    base = int(time.time() * 1000) - 1000000
    times = [base + 1000, base + 3000, base + 2000]
    produce(name, [{"value": b"x", "timestamp": at} for at in times])
    rows = [("earliest", OffsetSpec.earliest(), 0), ("latest", OffsetSpec.latest(), 3),
            ("the largest timestamp", OffsetSpec.max_timestamp(), 1),
            ("by time", OffsetSpec.for_timestamp(base + 1500), 1),
            ("by the time of the first", OffsetSpec.for_timestamp(base + 1000), 0),
            ("later than all", OffsetSpec.for_timestamp(base + 3001), -1)]
    for why, spec, offset in rows:
        (future,) = ADMIN.list_offsets({TopicPartition(name, 0): spec}).values()
        same(future.result(SECONDS).offset, offset, why)


def delete_records():
    name = create("trimmed")
    produce(name, [{"value": str(i)} for i in range(100)])
    (future,) = ADMIN.delete_records([TopicPartition(name, 0, 40)]).values()
    same(future.result(SECONDS).low_watermark, 40)
    same([int(m.value()) for m in consume(name)], list(range(40, 100)))
    same(error_of(ADMIN.delete_records([TopicPartition(name, 0, 101)])), KafkaError.OFFSET_OUT_OF_RANGE)
    (future,) = ADMIN.delete_records([TopicPartition(name, 0, -1)]).values()
    same(future.result(SECONDS).low_watermark, 100, "all of it")
    same(consume(name), [])


def partition_is_unknown():
    name = create("known")
    failed = []
    producer = Producer({**BASE, "message.timeout.ms": 3000, "topic.metadata.propagation.max.ms": 0})
    try:
        producer.produce(name, b"x", partition=7, on_delivery=lambda error, _: failed.append(error))
        producer.flush(SECONDS)
    except KafkaException as error:
        failed.append(error.args[0])
    require(failed and failed[0].code() in (KafkaError._UNKNOWN_PARTITION, KafkaError.UNKNOWN_TOPIC_OR_PART), failed)


def read_committed_and_not():
    name = create("isolation")
    produce(name, [{"value": str(i)} for i in range(10)])
    for level in ("read_committed", "read_uncommitted"):
        same(len(consume(name, **{"isolation.level": level})), 10, level)


def quotas():
    """Who sends or takes more than it may is told so by librdkafka's callback, and everybody else is not."""
    name, told = create("quotas"), {"limited": [], "free": []}
    with wire.Link(BROKER) as link:
        for key in ("producer_byte_rate", "consumer_byte_rate"):
            link.ask(wire.alter_client_quota("limited", key, 50000.0))
    for client, events in told.items():
        produce(name, [{"value": b"x" * 1000}] * 600, **{"client.id": client, "throttle_cb": events.append,
                                                         "linger.ms": 5, "batch.size": 20000})
    require(told["limited"], "a producer above its quota is not told")
    require(all(event.throttle_time > 0 for event in told["limited"]), "of no time")
    same(told["free"], [], "throttles of a client without a quota")
    events = []
    require(len(consume(name, **{"client.id": "limited", "throttle_cb": events.append})) == 1200, "not all came")
    require(events, "a consumer above its quota is not told")


if __name__ == "__main__":
    run([compression, empty_and_null, idempotent, describe_topics_and_cluster, configs, broker_configs,
         create_partitions, create_and_delete_topics, list_offsets, delete_records, partition_is_unknown,
         read_committed_and_not, quotas])
