"""A standby site: a node that observes, and what becomes of it when all others are lost, or when it is to be one of
them."""
import json
import re
import subprocess

from cluster import REST_SECONDS, Cluster
from replication import create, partitions_of, produce, records_of, wait_until_whole
from server import require, until

TOPIC = "observed"
PARTITIONS = 2
RECORDS = 200
SITE = "elsewhere"


def status_of(node):
    status, text = node.get("/admin/status", 5)
    require(status == 200, f"status: {status}")
    return json.loads(text)


def begin(cluster):
    """Three nodes, a topic of three replicas, and a fourth node that observes it."""
    create(cluster.leader(), TOPIC, PARTITIONS, 3)
    wait_until_whole(cluster)
    observer = cluster.add(start=False)
    observer.flags = [*observer.flags, "--observer", "true", "--rack", SITE]
    observer.start()
    until(lambda: all(p["observers"] == [observer.node_id] for p in partitions_of(cluster, TOPIC)), REST_SECONDS,
          "each partition is observed")
    return observer


def leader_of(cluster, partition=0):
    found = [p for p in partitions_of(cluster, TOPIC) if p["partition"] == partition]
    return cluster.nodes[found[0]["leader"]]


def fill(cluster, count):
    for number in range(count):
        require(produce(leader_of(cluster, 0), TOPIC) == 0, f"acks=all of record {number}")


def holds(observer, count):
    """It has so many records of partition 0, and knows that they are committed."""
    def is_there():
        found = [p for p in partitions_of(Only(observer), TOPIC) if p["partition"] == 0]
        return found and found[0].get("high_watermark", 0) >= count
    until(is_there, REST_SECONDS, "the observer holds all there is")


class Only:
    """A cluster of one, to ask it and nobody else."""

    def __init__(self, node):
        self.alive = [node]


def counts_for_nothing(cluster, observer):
    """No vote, no ISR, no replica; and acks=all needs the others."""
    members = cluster.leader().members()
    require(members[observer.node_id] == "observer", f"it is a {members[observer.node_id]}")
    require(sum(state in ("leader", "follower") for state in members.values()) == 3, f"three vote: {members}")
    for found in partitions_of(cluster, TOPIC):
        require(observer.node_id not in found["replicas"] + found["isr"] + found["elr"], f"{found}")
    followers = next(p["followers"] for p in partitions_of(Only(leader_of(cluster)), TOPIC) if p["partition"] == 0)
    mine = [f for f in followers if f["node_id"] == observer.node_id]
    require(mine and mine[0]["observes"] and mine[0]["streaming"] and not mine[0]["in_sync"], f"{followers}")
    require(status_of(observer)["observer"], "its status says what it is")


def reads_nearby(cluster, observer, count):
    done = subprocess.run(["kcat", "-C", "-e", "-q", "-b", cluster.nodes[1].address, "-t", TOPIC, "-o", "beginning",
                           "-X", f"client.rack={SITE}"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=60, check=False)
    require(done.stdout.split() == [b"record"] * count, f"kcat read {done.stdout[-300:]}")
    require(observer.metric("kafka_server_brokertopicmetrics_bytesout_total") > 0, "the observer has sent nothing")


def all_others_are_lost():
    with Cluster(3) as cluster:
        observer = begin(cluster)
        fill(cluster, RECORDS)
        holds(observer, RECORDS)
        counts_for_nothing(cluster, observer)
        reads_nearby(cluster, observer, RECORDS)
        for node_id in (1, 2, 3):
            cluster.nodes[node_id].kill()
        code, said = observer.order("promote")
        if code != 0:  # a leader was known a moment ago
            until(lambda: observer.order("promote", "--force")[0] == 0, REST_SECONDS, "it is promoted")
        else:
            require(re.search(r"lacks nothing that it knows of: of \d+ partitions", said), said)
        until(lambda: observer.is_alive() and observer.is_ready(), REST_SECONDS, "it serves again")
        until(lambda: all(p["leader"] == observer.node_id for p in partitions_of(Only(observer), TOPIC)), REST_SECONDS,
              "it leads all there is")
        require(records_of(observer, TOPIC) == RECORDS, "what it held is there")
        until(lambda: produce(observer, TOPIC) == 0, REST_SECONDS, "acks=all is taken")
        require(not status_of(observer)["observer"], "it observes no more")
        for node_id in (1, 2, 3):
            cluster.nodes[node_id].close()
            cluster.forget(node_id)
        observer.seeds = []
        grow(cluster, observer)


def grow(cluster, survivor):
    """Two more: three replicas again, and the survivor is not needed any more."""
    for _ in range(2):
        cluster.add()
    cluster.settle(REST_SECONDS)
    until(lambda: all(len(p["replicas"]) == 3 for p in partitions_of(cluster, TOPIC)), REST_SECONDS, "three replicas")
    wait_until_whole(cluster)
    survivor.kill()
    until(lambda: partitions_of(cluster, TOPIC) and leader_of(cluster).is_alive(), REST_SECONDS, "others lead")
    until(lambda: records_of(leader_of(cluster), TOPIC) == RECORDS + 1, REST_SECONDS, "nothing is lost by growing")


def one_of_them_from_now_on():
    """Promoted while all others live: it joins the ISR, gets a vote if there is one, and takes the place of one."""
    with Cluster(3) as cluster:
        observer = begin(cluster)
        fill(cluster, RECORDS)
        code, said = cluster.leader().order("promote-observer", str(observer.node_id))
        require(code == 0, said)
        until(lambda: all(observer.node_id in p["isr"] and not p["observers"] for p in partitions_of(cluster, TOPIC)),
              REST_SECONDS, "it is in sync")
        code, said = cluster.leader().order("remove-node", "1")
        require(code == 0, said)
        until(lambda: not cluster.nodes[1].is_alive(), REST_SECONDS, "node 1 is gone")
        cluster.forget(1)
        cluster.settle(REST_SECONDS)
        until(lambda: all(sorted(p["replicas"]) == [2, 3, 4] for p in partitions_of(cluster, TOPIC)), REST_SECONDS,
              "it has the place of node 1")
        wait_until_whole(cluster)
        require(records_of(leader_of(cluster), TOPIC) == RECORDS, "nothing is lost")


def slow_observer_holds_up_nobody():
    """Stopped, it costs acks=all nothing."""
    with Cluster(3) as cluster:
        observer = begin(cluster)
        observer.pause()
        try:
            fill(cluster, RECORDS)
        finally:
            observer.go_on()
        holds(observer, RECORDS)


def run(report):
    report.run("observers", "all others are lost", all_others_are_lost)
    report.run("observers", "one of them from now on", one_of_them_from_now_on)
    report.run("observers", "a slow one holds up nobody", slow_observer_holds_up_nobody)
