"""Consumer groups of clients in other languages over three nodes, and what tools say of them meanwhile.

CHRONIK_GROUP_SIZES=1,3,20 is the long form: groups of so many members, with each of the assignors. Members join,
leave and crash, and the node that coordinates is killed; each record is read, each partition is one member's once the
group is at rest, what was committed is where the next one begins, and our command line and Kafka's own agree in what
is left to read."""
import json
import os
import subprocess

import groups
import java
import packages
import wire
from cluster import REST_SECONDS, Cluster
from groups import Member, addresses_of, coordinator, end, expect_all, produce
from server import require, until

SIZES = [int(size) for size in os.environ.get("CHRONIK_GROUP_SIZES", "").split(",") if size]
PARTITIONS = 24
MESSAGES = 600


def written_in(kept):
    class Other(Member):
        """A member that was compiled."""

        @staticmethod
        def program():
            return [os.path.join(kept.get(), "group_member")]
    return Other


LANGUAGES = {"Go": written_in(packages.go), "Rust": written_in(packages.rust), "Python": Member}
SHORT = [("Go", 3, "cooperative-sticky"), ("Rust", 3, "range")]


def create(node, topic):
    with wire.Link(node.address) as link:
        error = wire.create_result(link.ask(wire.create_topic(topic, PARTITIONS, 3)))
    require(error in (0, 36), f"create topic: error {error}")


def is_shared(members):
    """All partitions are somebody's, and nobody's twice."""
    shares = [member.assigned for member in members]
    return sum(map(len, shares)) == PARTITIONS and len(set().union(*shares)) == PARTITIONS and all(shares)


def left_by_us(cluster, group):
    """What our own command line says is committed, and left, over all partitions; nothing while nobody says it."""
    for node in cluster.alive:
        done = subprocess.run([node.binary, "group", "lag", group, "--json", "--bootstrap", node.address],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=60, check=False)
        if done.returncode == 0:
            rows = json.loads(done.stdout)
            return sum(row["committed"] or 0 for row in rows), sum(row["lag"] or 0 for row in rows)
    return None


def left_by_kafka(cluster, group):
    said = java.tool("org.apache.kafka.tools.consumer.group.ConsumerGroupCommand", "--bootstrap-server",
                     addresses_of(cluster), "--describe", "--group", group)
    lines = [line.split() for line in said.splitlines() if line.split()[:1] == [group]]
    return tuple(sum(int(line[at]) for line in lines if line[at] != "-") for at in (3, 5))


def expect_left(cluster, group, total):
    until(lambda: left_by_us(cluster, group) == (total, 0), groups.WAIT_SECONDS, "all of it is committed")


def come_and_go(make, size, group, strategy):
    settings = {"partition_assignment_strategy": strategy}
    with Cluster(3) as cluster:
        addresses = addresses_of(cluster)
        create(cluster.nodes[1], group)
        members = [make(addresses, group, group, **settings) for _ in range(size)]
        try:
            until(lambda: is_shared(members), groups.WAIT_SECONDS, f"{size} share it")
            produce(addresses, group, 0, MESSAGES)
            expect_all(members, MESSAGES)
            expect_left(cluster, group, MESSAGES)
            members.append(make(addresses, group, group, **settings))
            until(lambda: is_shared(members), groups.WAIT_SECONDS, "one more has a share")
            members[0].crash()
            until(lambda: is_shared(members[1:]), groups.WAIT_SECONDS, "who crashed is missed")
            victim = until(lambda: coordinator(cluster, group), REST_SECONDS, "a coordinator")
            victim.kill()
            produce(addresses, group, MESSAGES, MESSAGES)
            expect_all(members, 2 * MESSAGES)
            expect_left(cluster, group, 2 * MESSAGES)
            victim.start()
            cluster.settle(REST_SECONDS)
            if size > 1:
                members[1].leave()
                until(lambda: is_shared(members[2:]), groups.WAIT_SECONDS, "the others are left")
            for member in members:
                if member.process.poll() is None:
                    member.leave()
            again = make(addresses, group, group, **settings)
            members.append(again)
            produce(addresses, group, 2 * MESSAGES, 10)
            until(lambda: len(again.read) >= 10, groups.WAIT_SECONDS, "the last records are read")
            require(sorted(map(int, again.read)) == list(range(2 * MESSAGES, 2 * MESSAGES + 10)), "no others are")
            expect_left(cluster, group, 2 * MESSAGES + 10)
            kafka_agrees(cluster, group, 2 * MESSAGES + 10)
        finally:
            end(members)


def kafka_agrees(cluster, group, total):
    try:
        packages.need("java")
        said = left_by_kafka(cluster, group)
    except packages.Absent:
        return  # the suite of Kafka's tools says that they are not there
    require(said == (total, 0), f"kafka-consumer-groups: {said} of {total} are committed and left")


def cases():
    if not SIZES:
        return SHORT
    return [(language, size, strategy) for language in LANGUAGES for size in SIZES
            for strategy in ("range", "cooperative-sticky")]


def run(report):
    for language, size, strategy in cases():
        report.run("group clients", f"{size} members in {language}, {strategy}", come_and_go, LANGUAGES[language], size,
                   f"{language.lower()}-{strategy}-{size}", strategy)
