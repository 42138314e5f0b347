"""A member of a consumer group, for groups.py: says what it is assigned and what it reads, and commits that.

    group_member.py ADDRESSES GROUP TOPIC SETTINGS"""
import json
import signal
import sys

from confluent_kafka import Consumer, KafkaError, KafkaException

ENDED = []
CLASSIC = {"session.timeout.ms": 6000, "heartbeat.interval.ms": 500}


def say(word, what):
    print(f"{word} {what}", flush=True)


def commit(consumer):
    """All that was read and is not committed yet."""
    try:
        consumer.commit(asynchronous=True)
    except KafkaException as error:
        if error.args[0].code() != KafkaError._NO_OFFSET:  # pylint: disable=protected-access # that is its name
            say("error", error)


def main():
    addresses, group, topic, settings = sys.argv[1:]
    settings = json.loads(settings)
    newer = settings.get("group.protocol") == "consumer"  # its times are the broker's settings
    consumer = Consumer({"bootstrap.servers": addresses, "group.id": group, "auto.offset.reset": "earliest",
                         "enable.auto.commit": False, "log_level": 0, **({} if newer else CLASSIC), **settings})
    cooperative = newer or "cooperative" in settings.get("partition.assignment.strategy", "")
    mine = set()

    def tell():
        say("assigned", json.dumps(sorted(mine)))

    def on_assign(_, partitions):
        if not cooperative:
            mine.clear()
        mine.update(partition.partition for partition in partitions)
        tell()

    def on_revoke(_, partitions):
        mine.difference_update(partition.partition for partition in partitions)
        tell()
    signal.signal(signal.SIGTERM, lambda *_: ENDED.append(True))
    consumer.subscribe([topic], on_assign=on_assign, on_revoke=on_revoke, on_lost=on_revoke)
    while not ENDED:
        message = consumer.poll(0.2)
        if message is None:
            commit(consumer)  # what a rebalance came in the way of
            continue
        if message.error():
            say("error", message.error())
            continue
        say("read", message.value().decode())
        commit(consumer)
    consumer.close()


if __name__ == "__main__":
    main()
