"""A producer and a consumer that know nothing of the brokers that die meanwhile.

    failover_client.py confluent|kafka-python BOOTSTRAP TOPIC

Writes "0", "1", ... with acks=all until its input ends, and says "acked N" as acknowledgements come. Then it reads all
partitions, and says "read N": so many of the messages that were acknowledged are there, and "failed WHY" for any that
the client gave up."""
import select
import sys

SECONDS = 60
PACE_SECONDS = 0.002


def say(word, what):
    print(word, what, flush=True)


def is_over():
    return bool(select.select([sys.stdin], [], [], PACE_SECONDS)[0])


class Confluent:
    def __init__(self, bootstrap):
        from confluent_kafka import Consumer, Producer
        self.acked, self.bootstrap, self.consumer_type = set(), bootstrap, Consumer
        self.producer = Producer({"bootstrap.servers": bootstrap, "acks": "all", "enable.idempotence": True,
                                  "message.timeout.ms": SECONDS * 1000, "linger.ms": 1, "log_level": 2,
                                  "reconnect.backoff.max.ms": 200})

    def send(self, topic, number):
        def told(error, message):
            if error is not None:
                say("failed", error)
            else:
                self.acked.add(int(message.value()))
        self.producer.produce(topic, value=str(number), on_delivery=told)
        self.producer.poll(0)

    def flush(self):
        self.producer.flush(SECONDS)

    def read(self, topic):
        from confluent_kafka import TopicPartition
        consumer = self.consumer_type({"bootstrap.servers": self.bootstrap, "group.id": "none", "log_level": 2,
                                       "enable.auto.commit": False, "auto.offset.reset": "error"})
        partitions = [TopicPartition(topic, p, 0) for p in consumer.list_topics(topic, 30).topics[topic].partitions]
        left = {p.partition: consumer.get_watermark_offsets(p, 30)[1] for p in partitions}
        consumer.assign(partitions)
        there = set()
        while any(end > 0 for end in left.values()):
            message = consumer.poll(30)
            if message is None or message.error():
                say("failed", "nothing comes" if message is None else message.error())
                break
            there.add(int(message.value()))
            if message.offset() + 1 >= left[message.partition()]:
                left[message.partition()] = 0
        return there


class KafkaPython:
    def __init__(self, bootstrap):
        from kafka import KafkaProducer
        self.acked, self.bootstrap = set(), bootstrap
        self.producer = KafkaProducer(bootstrap_servers=bootstrap, acks="all", retries=1000, linger_ms=1,
                                      retry_backoff_ms=50, delivery_timeout_ms=SECONDS * 1000,
                                      request_timeout_ms=10000)

    def send(self, topic, number):
        future = self.producer.send(topic, value=str(number).encode())
        future.add_callback(lambda _: self.acked.add(number))
        future.add_errback(lambda error: say("failed", repr(error)))

    def flush(self):
        self.producer.flush(SECONDS)

    def read(self, topic):
        from kafka import KafkaConsumer, TopicPartition
        consumer = KafkaConsumer(bootstrap_servers=self.bootstrap, enable_auto_commit=False, check_crcs=True)
        partitions = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic)]
        ends = consumer.end_offsets(partitions)
        consumer.assign(partitions)
        for partition in partitions:
            consumer.seek(partition, 0)
        there = set()
        while any(consumer.position(partition) < ends[partition] for partition in partitions):
            for records in consumer.poll(30000).values():
                there.update(int(record.value) for record in records)
        return there


def main():
    client = {"confluent": Confluent, "kafka-python": KafkaPython}[sys.argv[1]](sys.argv[2])
    topic, number, told = sys.argv[3], 0, 0
    while not is_over():
        client.send(topic, number)
        number += 1
        if len(client.acked) > told:
            told = len(client.acked)
            say("acked", told)
    client.flush()
    say("acked", len(client.acked))
    there = client.read(topic)
    say("read", len(client.acked & there))


main()
