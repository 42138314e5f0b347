"""Partitions on the move: as Kafka's own tools ask for it, and when nodes leave, come and are to have their share."""
import json
import os
import subprocess
import tempfile

import packages
import wire
from cluster import REST_SECONDS, Cluster
from java import tool
from server import require, until

REASSIGN = "org.apache.kafka.tools.reassign.ReassignPartitionsCommand"
ELECTION = "org.apache.kafka.tools.LeaderElectionCommand"
RECORDS = 3000


def create(node, name, partitions, replicas):
    with wire.Link(node.address) as link:
        error = wire.create_result(link.ask(wire.create_topic(name, partitions, replicas, ())))
        require(error == 0, f"create {name}: error {error}")


def fill(node, name):
    """Acknowledged by all that are in sync."""
    records = "".join(f"{number}\n" for number in range(RECORDS))
    done = subprocess.run(["kcat", "-P", "-b", node.address, "-t", name, "-X", "acks=all"], input=records.encode(),
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False)
    require(done.returncode == 0, f"kcat: {done.stdout.decode(errors='replace')[-300:]}")


def holds_all(node, name):
    done = subprocess.run(["kcat", "-C", "-b", node.address, "-t", name, "-o", "beginning", "-e", "-q"],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, check=False)
    numbers = sorted(int(line) for line in done.stdout.split())
    require(numbers == list(range(RECORDS)), f"{name}: {len(numbers)} records, {len(set(numbers))} different ones")


def partitions_of(cluster, name):
    node = next(node for node in cluster.nodes.values() if node.members())
    status, text = node.get("/admin/cluster/partitions", 3)
    require(status == 200, f"partitions: {status}")
    return {partition["partition"]: partition for partition in json.loads(text) if partition["topic"] == name}


def is_whole(cluster, name, replicas):
    there = partitions_of(cluster, name).values()
    return there and all(len(p["replicas"]) == replicas and sorted(p["isr"]) == sorted(p["replicas"]) for p in there)


def counts(cluster):
    status, text = cluster.leader().get("/admin/cluster/members", 3)
    require(status == 200, f"members: {status}")
    return {member["node_id"]: member["partitions"] for member in json.loads(text)}


def leads_spread(cluster):
    _, text = cluster.leader().get("/admin/cluster/members", 3)
    leads = [member["leaders"] for member in json.loads(text)]
    return max(leads) - min(leads)


def goes_on(node):
    status, text = node.get("/admin/status", 3)
    require(status == 200, f"status: {status}")
    return json.loads(text)["rebalance"]["goes_on"]


# ---- Kafka's tools ----

def reassign(connect, place, name, moves, *action):
    path = os.path.join(place, "moves.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"version": 1, "partitions": [{"topic": name, "partition": partition, "replicas": replicas}
                                                for partition, replicas in moves.items()]}, file)
    return tool(REASSIGN, *connect, "--reassignment-json-file", path, *action)


def kafka_tools():
    packages.need("java")
    packages.java.get()
    with Cluster(3) as cluster, tempfile.TemporaryDirectory() as place:
        node = cluster.nodes[1]
        connect = ["--bootstrap-server", cluster.bootstrap]
        create(node, "tools", 2, 2)
        fill(node, "tools")
        before = partitions_of(cluster, "tools")
        moves = {partition: [*({1, 2, 3} - {*found["replicas"]}), found["replicas"][1]]
                 for partition, found in before.items()}
        said = reassign(connect, place, "tools", moves, "--execute")
        require("Successfully started partition reassignments" in said, said)
        until(lambda: "is completed" in reassign(connect, place, "tools", moves, "--verify"), REST_SECONDS, "moved")
        for partition, found in partitions_of(cluster, "tools").items():
            require(found["replicas"] == moves[partition], f"{partition}: {found['replicas']}, not {moves[partition]}")
        require("No partition reassignments found." in tool(REASSIGN, *connect, "--list"), "nothing moves any more")
        holds_all(node, "tools")
        elect(cluster, connect, moves)
        said = reassign(connect, place, "tools", moves, "--cancel")
        require("None of the specified partition moves are active." in said, said)


def elect(cluster, connect, moves):
    """Who is first in line leads; who leads already needs no election."""
    tool(ELECTION, *connect, "--election-type", "preferred", "--topic", "tools", "--partition", "0")
    until(lambda: partitions_of(cluster, "tools")[0]["leader"] == moves[0][0], REST_SECONDS, "the preferred one leads")
    said = tool(ELECTION, *connect, "--election-type", "preferred", "--all-topic-partitions")
    require("Error" not in said, said)
    said = tool(ELECTION, *connect, "--election-type", "preferred", "--topic", "tools", "--partition", "0")
    require("Valid replica already elected for partitions tools-0" in said, said)
    said = tool(ELECTION, *connect, "--election-type", "unclean", "--topic", "tools", "--partition", "0")
    require("Valid replica already elected for partitions tools-0" in said, said)


# ---- nodes that leave and come ----

def nodes_come_and_go():
    with Cluster(3) as cluster:
        node = cluster.nodes[1]
        for name, replicas in (("alone", 1), ("three", 3)):
            create(node, name, 6, replicas)
            fill(node, name)
        gone = next(node_id for node_id in cluster.nodes if cluster.nodes[node_id] is not cluster.leader())
        code, said = cluster.leader().order("remove-node", str(gone))
        require(code == 0 and "have still to be moved" in said, said)
        until(lambda: gone not in cluster.leader().members(), REST_SECONDS, f"{gone} is no member any more")
        until(lambda: is_whole(cluster, "alone", 1) and is_whole(cluster, "three", 2), REST_SECONDS, "all is elsewhere")
        cluster.forget(gone)
        for name in ("alone", "three"):
            holds_all(cluster.leader(), name)
        added = cluster.add()
        until(lambda: is_whole(cluster, "three", 3), REST_SECONDS, "three replicas again")
        there = partitions_of(cluster, "three").values()
        require(any(added.node_id in found["replicas"] for found in there), f"{added.node_id} has none")
        code, said = cluster.leader().order("rebalance")
        require(code == 0 and "being moved" in said, said)
        code, again = cluster.leader().order("rebalance")
        require(code == 0, again)
        cluster.leader().order("transfer-leader")  # whoever leads then goes on
        until(lambda: max(counts(cluster).values()) - min(counts(cluster).values()) <= 1, REST_SECONDS, "even")
        until(lambda: is_whole(cluster, "alone", 1) and is_whole(cluster, "three", 3), REST_SECONDS, "they are in sync")
        until(lambda: not any(goes_on(node) for node in cluster.nodes.values()), REST_SECONDS, "over")
        require(leads_spread(cluster) <= 2, "each leads as many as the others, and nobody waited for that")
        for name in ("alone", "three"):
            holds_all(cluster.leader(), name)


def run(report):
    report.run("moves", "kafka-reassign-partitions and kafka-leader-election", kafka_tools)
    report.run("moves", "nodes come and go with what they hold", nodes_come_and_go)
