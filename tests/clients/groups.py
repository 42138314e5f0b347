"""Consumer groups over three nodes: each record is read and committed, whoever coordinates.

Members are programs of their own (confluent_kafka); they tell what they were assigned and what they read, and commit
what they read. The suite kills the node that coordinates, and members."""
import json
import os
import subprocess
import sys
import threading
import time

import packages
import wire
from cluster import REST_SECONDS, Cluster
from server import Server, require, until

HERE = os.path.dirname(os.path.abspath(__file__))
PARTITIONS = 6
MESSAGES = 600
WAIT_SECONDS = 90


class Member:
    """A consumer in a process of its own."""

    @staticmethod
    def program():
        return [sys.executable, "-B", os.path.join(HERE, "group_member.py")]

    def __init__(self, addresses, group, topic, **settings):
        env = dict(os.environ, PYTHONPATH=os.path.join(packages.python.get(), "lib") + os.pathsep + HERE)
        command = [*self.program(), addresses, group, topic,
                   json.dumps({name.replace("_", "."): value for name, value in settings.items()})]
        self.process = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True)
        self.assigned, self.read, self.assignments, self.errors = set(), [], 0, []
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        for line in self.process.stdout:
            word, _, rest = line.strip().partition(" ")
            if word == "assigned":
                self.assigned = set(json.loads(rest))
                self.assignments += 1
            elif word == "read":
                self.read.append(rest)
            elif word == "error":
                self.errors.append(rest)

    def leave(self):
        self.process.terminate()
        self.process.wait(30)

    def crash(self):
        self.process.kill()
        self.process.wait(30)


def produce(addresses, topic, begin, count):
    """Each record once, whatever is killed meanwhile; and committed."""
    lines = "".join(f"{number}\n" for number in range(begin, begin + count))
    done = subprocess.run(["kcat", "-P", "-q", "-b", addresses, "-t", topic, "-X", "enable.idempotence=true", "-X",
                           "topic.partitioner=random", "-X", "sticky.partitioning.linger.ms=0"], input=lines, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=WAIT_SECONDS, check=False)
    require(done.returncode == 0, f"kcat: {done.stdout[-300:]}")


def read_by(members):
    return {int(number) for member in members for number in member.read}


def share_all(members):
    """All partitions are somebody's, and nobody's twice."""
    shares = [member.assigned for member in members]
    return sum(map(len, shares)) == PARTITIONS and len(set().union(*shares)) == PARTITIONS and all(shares)


def create(node, topic, replicas):
    with wire.Link(node.address) as link:
        error = wire.create_result(link.ask(wire.create_topic(topic, PARTITIONS, replicas)))
    require(error in (0, 36), f"create topic: error {error}")


def addresses_of(cluster):
    return ",".join(node.address for node in cluster.nodes.values())


def expect_all(members, count):
    until(lambda: len(read_by(members)) >= count, WAIT_SECONDS, f"{count} records are read")


def coordinator(cluster, group):
    """The node that coordinates the group, as a node that is alive says."""
    for node in cluster.nodes.values():
        if not node.is_alive():
            continue
        try:
            with wire.Link(node.address, 5) as link:
                node_id = wire.coordinator_result(link.ask(wire.find_coordinator(group)))
        except (OSError, wire.Closed):
            continue
        if node_id in cluster.nodes and cluster.nodes[node_id].is_alive():
            return cluster.nodes[node_id]
    return None


def committed(cluster, group, topic):
    """Records that the group has committed, over all partitions."""
    node = coordinator(cluster, group)
    if node is None:
        return 0
    try:
        with wire.Link(node.address, 5) as link:
            offsets = wire.offset_fetch_result(link.ask(wire.offset_fetch(group, topic, range(PARTITIONS))))
    except (OSError, wire.Closed):
        return 0
    return sum(max(offset, 0) for offset in (offsets or {}).values())


def end(members):
    for member in members:
        if member.process.poll() is None:
            member.crash()


def described(server, group):
    """What our own command line says of it."""
    done = subprocess.run([server.binary, "group", "describe", group, "--json", "--bootstrap", server.address],
                          stdout=subprocess.PIPE, timeout=WAIT_SECONDS, check=True)
    return json.loads(done.stdout)[0]


def members_come_and_go(**settings):
    with Server() as server:
        create(server, "come", 1)
        members = [Member(server.address, "come", "come", **settings) for _ in range(2)]
        try:
            until(lambda: share_all(members), WAIT_SECONDS, "two share it")
            until(lambda: described(server, "come")["state"] == "Stable", WAIT_SECONDS, "it is at rest")
            reads = [member["reads"] for member in described(server, "come")["members"]]
            require(sorted(map(len, reads)) == [len("come:0,1,2")] * 2, f"what they read: {reads}")
            produce(server.address, "come", 0, MESSAGES)
            expect_all(members, MESSAGES)
            members.append(Member(server.address, "come", "come", **settings))
            until(lambda: share_all(members), WAIT_SECONDS, "three share it")
            members[0].leave()
            until(lambda: share_all(members[1:]), WAIT_SECONDS, "two are left")
            members[1].crash()
            until(lambda: share_all(members[2:]), WAIT_SECONDS, "who crashed is missed")
            produce(server.address, "come", MESSAGES, MESSAGES)
            expect_all(members, 2 * MESSAGES)
        finally:
            end(members)


def coordinators_are_killed(**settings):
    group = "killed" + "".join(settings.values()).replace(",", "-")
    with Cluster(3) as cluster:
        addresses = addresses_of(cluster)
        create(cluster.nodes[1], group, 3)
        members = [Member(addresses, group, group, **settings) for _ in range(3)]
        try:
            until(lambda: share_all(members), WAIT_SECONDS, "three share it")
            total = 0
            for _ in range(2):
                victim = until(lambda: coordinator(cluster, group), REST_SECONDS, "a coordinator")
                produce(addresses, group, total, MESSAGES)
                total += MESSAGES
                victim.kill()
                produce(addresses, group, total, MESSAGES)
                total += MESSAGES
                expect_all(members, total)
                victim.start()
                cluster.settle(REST_SECONDS)
            until(lambda: committed(cluster, group, group) == total, WAIT_SECONDS, "all of it is committed")
            for member in members:
                member.leave()
            require(committed(cluster, group, group) == total, "and stays so")
            again = Member(addresses, group, group, **settings)
            members.append(again)
            until(lambda: len(again.assigned) == PARTITIONS, WAIT_SECONDS, "one has all")
            produce(addresses, group, total, 1)
            until(lambda: str(total) in again.read, WAIT_SECONDS, "the last record is read")
            require(again.read == [str(total)], f"read again: {again.read[:10]}")
        finally:
            end(members)


def static_members_come_back():
    with Server() as server:
        create(server, "static", 1)
        members = [Member(server.address, "static", "static", group_instance_id=f"i{number}") for number in range(2)]
        try:
            until(lambda: share_all(members), WAIT_SECONDS, "two share it")
            before = members[0].assignments
            mine = members[1].assigned
            members[1].crash()
            members[1] = Member(server.address, "static", "static", group_instance_id="i1")
            until(lambda: members[1].assigned == mine, WAIT_SECONDS, "it has what it had")
            require(members[0].assignments == before, "the other one saw nothing of it")
        finally:
            end(members)


def static_members_of_the_newer_protocol_come_back():
    with Server() as server:
        create(server, "newer", 1)
        settings = {"group_protocol": "consumer"}
        members = [Member(server.address, "newer", "newer", group_instance_id=f"i{number}", **settings)
                   for number in range(2)]
        try:
            until(lambda: share_all(members), WAIT_SECONDS, "two share it")
            before = members[0].assignments
            mine = members[1].assigned
            members[1].leave()
            members[1] = Member(server.address, "newer", "newer", group_instance_id="i1", **settings)
            until(lambda: members[1].assigned == mine, WAIT_SECONDS, "it has what it had")
            require(members[0].assignments == before, "the other one saw nothing of it")
        finally:
            end(members)


def committed_on(server, group, topic):
    with wire.Link(server.address, 5) as link:
        offsets = wire.offset_fetch_result(link.ask(wire.offset_fetch(group, topic, range(PARTITIONS))))
    return sum(max(offset, 0) for offset in (offsets or {}).values())


def protocols_are_exchanged(**settings):
    """One by one, over to the newer protocol and back: each record is read once, by somebody."""
    newer = {"group_protocol": "consumer"}
    with Server() as server:
        create(server, "both", 1)
        members = [Member(server.address, "both", "both", **settings) for _ in range(2)]
        gone = []
        total = 0

        def rests():
            nonlocal total
            until(lambda: share_all(members), WAIT_SECONDS, "all share it")
            produce(server.address, "both", total, MESSAGES)
            total += MESSAGES
            expect_all(members + gone, total)
            until(lambda: committed_on(server, "both", "both") == total, WAIT_SECONDS, "all of it is committed")
        try:
            rests()
            for kind in (newer, newer, settings, settings):
                members.append(Member(server.address, "both", "both", **kind))
                rests()
                gone.append(members.pop(0))
                gone[-1].leave()
                rests()
            require(sum(len(member.read) for member in members + gone) == total, "no record is read twice")
        finally:
            end(members + gone)


def run(report):
    report.run("groups", "members come, go and crash", members_come_and_go)
    report.run("groups", "static members come back", static_members_come_back)
    report.run("groups", "coordinators are killed", coordinators_are_killed)
    report.run("groups", "members of the newer protocol come, go and crash",
               lambda: members_come_and_go(group_protocol="consumer"))
    report.run("groups", "static members of the newer protocol come back",
               static_members_of_the_newer_protocol_come_back)
    report.run("groups", "coordinators are killed, members of the newer protocol",
               lambda: coordinators_are_killed(group_protocol="consumer"))
    report.run("groups", "coordinators are killed, cooperative members",
               lambda: coordinators_are_killed(partition_assignment_strategy="cooperative-sticky"))
    report.run("groups", "members are exchanged for some of the newer protocol, and back", protocols_are_exchanged)
    report.run("groups", "cooperative members are exchanged for some of the newer protocol, and back",
               lambda: protocols_are_exchanged(partition_assignment_strategy="cooperative-sticky"))
