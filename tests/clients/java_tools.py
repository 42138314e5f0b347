"""Apache Kafka's own command line tools, as operators type them.

    java_tools.py HOST:PORT [CASE]"""
import json
import os
import sys
import tempfile

from cases import require, run, same
from java import tool

BROKER = sys.argv[1] if len(sys.argv) > 1 else ""
UNIQUE = os.getpid()
CONNECT = ["--bootstrap-server", BROKER]


def topic(name):
    return f"tools.{name}.{UNIQUE}"


def topics():
    command, name = "org.apache.kafka.tools.TopicCommand", topic("topics")
    tool(command, *CONNECT, "--create", "--topic", name, "--partitions", "3", "--config", "retention.ms=700000")
    said = tool(command, *CONNECT, "--describe", "--topic", name)
    require("PartitionCount: 3" in said and "retention.ms=700000" in said, said)
    same(said.count("Leader: "), 3, "leaders")
    tool(command, *CONNECT, "--alter", "--topic", name, "--partitions", "5")
    require("PartitionCount: 5" in tool(command, *CONNECT, "--describe", "--topic", name), "not altered")
    same(tool(command, *CONNECT, "--describe", "--under-replicated-partitions"), "", "under-replicated")
    tool(command, *CONNECT, "--delete", "--topic", name)
    require(name not in tool(command, *CONNECT, "--list"), "still there")


def configs():
    command, name = "kafka.admin.ConfigCommand", topic("configs")
    tool("org.apache.kafka.tools.TopicCommand", *CONNECT, "--create", "--topic", name)
    of_topic = [*CONNECT, "--entity-type", "topics", "--entity-name", name]
    tool(command, *of_topic, "--alter", "--add-config", "segment.bytes=2000000,cleanup.policy=delete")
    said = tool(command, *of_topic, "--describe")
    require("segment.bytes=2000000" in said and "DYNAMIC_TOPIC_CONFIG" in said, said)
    tool(command, *of_topic, "--alter", "--delete-config", "segment.bytes")
    require("segment.bytes" not in tool(command, *of_topic, "--describe"), "not deleted")
    require("num.partitions=1" in tool(command, *CONNECT, "--entity-type", "brokers", "--entity-name", "1",
                                       "--describe", "--all"), "no broker configs")


def quotas():
    """Of a client id and of all others; and the Java producer is told to wait."""
    command, name = "kafka.admin.ConfigCommand", topic("quotas")
    slow = [*CONNECT, "--entity-type", "clients", "--entity-name", "slow"]
    everybody = [*CONNECT, "--entity-type", "clients", "--entity-default"]
    tool(command, *slow, "--alter", "--add-config", "producer_byte_rate=100000,consumer_byte_rate=200000")
    tool(command, *everybody, "--alter", "--add-config", "consumer_byte_rate=1000000000")
    said = tool(command, *slow, "--describe")
    require("producer_byte_rate=100000.0" in said and "consumer_byte_rate=200000.0" in said, said)
    require("consumer_byte_rate=1.0E9" in tool(command, *everybody, "--describe"), "no default")
    said = tool("org.apache.kafka.tools.ProducerPerformance", "--topic", name, "--num-records", "15000",
                "--record-size", "100", "--throughput", "-1", "--print-metrics", "--producer-props",
                f"bootstrap.servers={BROKER}", "client.id=slow")
    throttles = [line for line in said.splitlines() if "produce-throttle-time-max:" in line]
    require(throttles and all(float(line.split(":")[-1]) > 0 for line in throttles), f"no throttle: {throttles}")
    tool(command, *slow, "--alter", "--delete-config", "producer_byte_rate,consumer_byte_rate")
    tool(command, *everybody, "--alter", "--delete-config", "consumer_byte_rate")
    require("byte_rate" not in tool(command, *CONNECT, "--entity-type", "clients", "--describe"), "not deleted")
    complaint = tool(command, *slow, "--alter", "--add-config", "request_percentage=50", code=1)
    require("producer_byte_rate and consumer_byte_rate are there" in complaint, complaint)


def console_and_offsets():
    name = topic("console")
    tool("org.apache.kafka.tools.TopicCommand", *CONNECT, "--create", "--topic", name)
    tool("kafka.tools.ConsoleProducer", *CONNECT, "--topic", name, "--property", "parse.key=true",
         "--property", "key.separator=:", data="".join(f"k{i}:v{i}\n" for i in range(50)))
    said = tool("org.apache.kafka.tools.GetOffsetShell", *CONNECT, "--topic", name)
    same(said.strip(), f"{name}:0:50")
    said = tool("org.apache.kafka.tools.GetOffsetShell", *CONNECT, "--topic", name, "--time", "earliest")
    same(said.strip(), f"{name}:0:0")
    said = tool("org.apache.kafka.tools.consumer.ConsoleConsumer", *CONNECT, "--topic", name, "--partition", "0",
                "--offset", "10", "--max-messages", "5", "--property", "print.key=true")
    same(said.split(), [part for i in range(10, 15) for part in (f"k{i}", f"v{i}")])


def delete_records():
    name = topic("trimmed")
    tool("kafka.tools.ConsoleProducer", *CONNECT, "--topic", name, data="a\nb\nc\n")
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump({"partitions": [{"topic": name, "partition": 0, "offset": 2}], "version": 1}, file)
        file.flush()
        said = tool("org.apache.kafka.tools.DeleteRecordsCommand", *CONNECT, "--offset-json-file", file.name)
    require("low_watermark: 2" in said, said)


def performance_and_log_dirs():
    name = topic("performance")
    said = tool("org.apache.kafka.tools.ProducerPerformance", "--topic", name, "--num-records", "20000",
                "--record-size", "100", "--throughput", "-1", "--producer-props", f"bootstrap.servers={BROKER}")
    require("20000 records sent" in said, said)
    said = tool("org.apache.kafka.tools.LogDirsCommand", *CONNECT, "--describe", "--topic-list", name)
    found = json.loads(said.splitlines()[-1])
    size = found["brokers"][0]["logDirs"][0]["partitions"][0]["size"]
    require(20000 * 100 < size < 20000 * 200, f"a log of {size} bytes")


def verifiable():
    name = topic("verifiable")
    said = tool("org.apache.kafka.tools.VerifiableProducer", *CONNECT, "--topic", name, "--max-messages", "1000")
    events = [json.loads(line) for line in said.splitlines()]
    same(sum(event["name"] == "producer_send_success" for event in events), 1000, "acknowledged")


def consumer_groups():
    command, name = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand", topic("groups")
    of_group = [*CONNECT, "--group", name]
    tool("kafka.tools.ConsoleProducer", *CONNECT, "--topic", name, data="a\nb\nc\n")
    tool("org.apache.kafka.tools.consumer.ConsoleConsumer", *CONNECT, "--topic", name, "--group", name,
         "--from-beginning", "--max-messages", "3")
    said = tool(command, *of_group, "--describe")
    same([line.split()[2:6] for line in said.splitlines() if line.startswith(name)], [["0", "3", "3", "0"]], "lag")
    tool(command, *of_group, "--topic", name, "--reset-offsets", "--shift-by", "-2", "--execute")
    said = tool(command, *of_group, "--describe")
    same([line.split()[2:6] for line in said.splitlines() if line.startswith(name)], [["0", "1", "3", "2"]], "lag")
    require("successful" in tool(command, *of_group, "--delete"), "not deleted")
    require(name not in tool(command, *CONNECT, "--list"), "still there")


def elections_and_transactions():
    """Where leaders are where they should be, and nobody has transactions."""
    same(tool("org.apache.kafka.tools.LeaderElectionCommand", *CONNECT, "--election-type", "preferred",
              "--all-topic-partitions"), "", "elections")
    said = tool("org.apache.kafka.tools.TransactionsCommand", *CONNECT, "list")
    same(said.split(), ["TransactionalId", "Coordinator", "ProducerId", "TransactionState"], "transactions")


def cluster():
    require("ApiVersions(18)" in tool("kafka.admin.BrokerApiVersionsCommand", *CONNECT), "no API versions")
    require("Cluster ID: " in tool("org.apache.kafka.tools.ClusterTool", "cluster-id", *CONNECT), "no cluster id")
    said = tool("org.apache.kafka.tools.MetadataQuorumCommand", *CONNECT, "describe", "--status")
    require("LeaderId:" in said and "CurrentObservers:" in said, said)


if __name__ == "__main__":
    run([topics, configs, quotas, console_and_offsets, delete_records, performance_and_log_dirs, verifiable,
         consumer_groups, elections_and_transactions, cluster])
