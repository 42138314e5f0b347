"""aiokafka: an asynchronous client of old message versions, none of them flexible."""
import asyncio
import os
import sys

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from cases import run, same

BROKER = sys.argv[1] if len(sys.argv) > 1 else ""
UNIQUE = os.getpid()
SECONDS = 30


def topic(name):
    return f"aiokafka.{name}.{UNIQUE}"


async def create(name, partitions=1):
    admin = AIOKafkaAdminClient(bootstrap_servers=BROKER)
    await admin.start()
    await admin.create_topics([NewTopic(topic(name), partitions, 1)])
    await admin.close()
    return topic(name)


async def produce(name, values, **settings):
    producer = AIOKafkaProducer(bootstrap_servers=BROKER, **settings)
    await producer.start()
    told = await asyncio.gather(*[await producer.send(name, value) for value in values])
    await producer.stop()
    return told


async def consume(name, count):
    consumer = AIOKafkaConsumer(bootstrap_servers=BROKER, enable_auto_commit=False, check_crcs=True)
    await consumer.start()
    consumer.assign([TopicPartition(name, 0)])
    consumer.seek(TopicPartition(name, 0), 0)
    found = [(await consumer.getone()).value for _ in range(count)]
    ends = await consumer.end_offsets([TopicPartition(name, 0)])
    same(ends[TopicPartition(name, 0)], count, "end offset")
    await consumer.stop()
    return found


async def round_trip(codec, **settings):
    name = await create(f"{codec}.{len(settings)}")
    values = [f"value {i} ".encode() * 10 for i in range(300)]
    told = await produce(name, values, compression_type=codec, **settings)
    same([each.offset for each in told], list(range(300)), "offsets")
    same(await consume(name, 300), values)


def wait(what):
    asyncio.run(asyncio.wait_for(what, SECONDS))


def compression():
    for codec in (None, "gzip", "snappy", "lz4", "zstd"):
        wait(round_trip(codec))


def idempotent():
    wait(round_trip("lz4", enable_idempotence=True))


async def follow():
    name = await create("followed")
    consumer = AIOKafkaConsumer(bootstrap_servers=BROKER, enable_auto_commit=False, fetch_max_wait_ms=5000)
    await consumer.start()
    consumer.assign([TopicPartition(name, 0)])
    consumer.seek(TopicPartition(name, 0), 0)
    waiting = asyncio.ensure_future(consumer.getone())
    await produce(name, [b"at last"])
    same((await asyncio.wait_for(waiting, 4)).value, b"at last")
    await consumer.stop()


def long_poll():
    wait(follow())


if __name__ == "__main__":
    run([compression, idempotent, long_poll])
