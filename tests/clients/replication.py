"""Replicated topics under real faults: brokers killed, all at once too, paused, restarted in turn and wiped, while
clients count.

Three producers want acks=all, two of them idempotent; a consumer follows, others read all of it at the end. Nothing
that was acknowledged may be lost, nothing there twice or out of order, nothing seen may change."""
import concurrent.futures
import json
import os
import random
import shutil
import subprocess
import sys
import time

import packages
import wire
from cluster import REST_SECONDS, Cluster
from kills import Load
from server import Failure, Tail, require, until

HERE = os.path.dirname(os.path.abspath(__file__))

MINUTES = float(os.environ.get("CHRONIK_SOAK_MINUTES", "0"))
RATE = "1500" if MINUTES else "3000"  # messages a second
PARTITIONS = 4
PAUSES = (0.3, 3.0)
CATCH_UP_SECONDS = 60
TOPICS = ("kills.idempotent", "kills.all", "kills.one")
NOT_ENOUGH_REPLICAS = 19


def create(node, name, partitions=PARTITIONS, replicas=3, configs=(("min.insync.replicas", "2"),)):
    with wire.Link(node.address) as link:
        error = wire.create_result(link.ask(wire.create_topic(name, partitions, replicas, configs)))
        require(error == 0, f"create {name}: error {error}")


def partitions_of(cluster, topic=None):
    """As a node that lives has them; empty if none says."""
    for node in cluster.alive:
        try:
            status, text = node.get("/admin/cluster/partitions", 3)
        except OSError:
            continue
        if status == 200:
            return [partition for partition in json.loads(text) if topic in (None, partition["topic"])]
    return []


def is_whole(cluster):
    there = partitions_of(cluster)
    return there and all(len(p["isr"]) == len(p["replicas"]) and p["leader"] > 0 for p in there)


def wait_until_whole(cluster):
    try:
        until(lambda: is_whole(cluster), CATCH_UP_SECONDS, "all replicas are in sync")
    except Failure as failure:
        lacking = [p for p in partitions_of(cluster) if len(p["isr"]) < len(p["replicas"]) or p["leader"] <= 0]
        raise Failure(f"{failure}: {lacking[:4]}") from None


def leader_of(cluster, dice):
    """A node that leads some partition."""
    leaders = sorted({p["leader"] for p in partitions_of(cluster)} - {-1})
    require(leaders, "nobody leads anything")
    return cluster.nodes[dice.choice(leaders)]


class Faults:
    """What is done to a cluster under load. Each leaves it whole again: of three, one at a time may be missing."""

    def __init__(self, cluster, load, dice):
        self.cluster, self.load, self.dice = cluster, load, dice
        self.done = []

    def kill(self):
        node = leader_of(self.cluster, self.dice)
        node.kill()
        self.load.wait_for_progress()
        node.start()

    def pause(self):
        node = leader_of(self.cluster, self.dice)
        node.pause()
        time.sleep(self.dice.uniform(*PAUSES))
        node.go_on()

    def restart(self):
        """Each node in turn, as for an upgrade."""
        for node in list(self.cluster.nodes.values()):
            node.stop()
            self.load.wait_for_progress()
            node.start()
            wait_until_whole(self.cluster)

    def wipe(self):
        """A node loses its disk, and begins anew under its old number."""
        node = leader_of(self.cluster, self.dice)
        node.kill()
        shutil.rmtree(node.data)
        node.seeds = [other for other in self.cluster.nodes.values() if other is not node]  # else it founds another one
        self.load.wait_for_progress()
        node.start()
        self.cluster.settle(REST_SECONDS)

    def blackout(self):
        """All of them at once, and none of them stopped in peace."""
        nodes = list(self.cluster.nodes.values())
        for node in nodes:
            node.kill()
        with concurrent.futures.ThreadPoolExecutor(len(nodes)) as pool:
            list(pool.map(lambda node: node.start(), nodes))

    def minority(self):
        """Two of three are gone for a while: nothing is acknowledged, and nothing is forgotten."""
        nodes = self.dice.sample(list(self.cluster.nodes.values()), 2)
        for node in nodes:
            node.kill()
        time.sleep(self.dice.uniform(*PAUSES))
        with concurrent.futures.ThreadPoolExecutor(len(nodes)) as pool:
            list(pool.map(lambda node: node.start(), nodes))

    def run(self, name):
        self.done.append(name)
        getattr(self, name)()
        self.load.wait_for_progress()
        wait_until_whole(self.cluster)


def under_load(report, seed, faults):
    dice = random.Random(seed)
    with Cluster(3) as cluster:
        done = []
        try:
            for name in TOPICS:
                create(cluster.leader(), name)
            wait_until_whole(cluster)
            load = Load(report, cluster.bootstrap, RATE, "replicated", suite="replication")
            try:
                load.wait_for_progress()
                does = Faults(cluster, load, dice)
                done = does.done
                for name in faults(dice):
                    does.run(name)
                load.wait_for_progress()
                load.finish()
            finally:
                load.process.kill()
            told = [line for line in load.said if "gaps" in line or "written" in line]
            report.line("        replication: " + "; ".join(told))
        except Failure as failure:
            raise Failure(f"{failure} (seed {seed}, after {done}){cluster.logs(2500)}") from None


def short_faults(dice):
    names = ["kill", "pause", "kill", "restart", "wipe", "blackout"]
    dice.shuffle(names)
    return names


def long_faults(dice):
    end = time.monotonic() + MINUTES * 60
    while time.monotonic() < end:
        yield dice.choice(["kill", "kill", "kill", "pause", "pause", "restart", "wipe", "blackout", "minority"])


def too_few_replicas():
    """Below min.insync.replicas nothing is appended for acks=all, and all goes on when there are enough again."""
    with Cluster(3) as cluster:
        topic = "strict"
        create(cluster.leader(), topic, 1, 3, (("min.insync.replicas", "3"),))
        wait_until_whole(cluster)
        partition = partitions_of(cluster, topic)[0]
        leader = cluster.nodes[partition["leader"]]
        require(produce(leader, topic) == 0, "acks=all with all replicas")
        victim = next(node for node in cluster.nodes.values() if node is not leader)
        victim.kill()
        until(lambda: produce(leader, topic) == NOT_ENOUGH_REPLICAS, REST_SECONDS, "acks=all is refused")
        require(produce(leader, topic, acks=1) == 0, "acks=1 is taken all the same")
        victim.start()
        until(lambda: produce(leader, topic) == 0, REST_SECONDS, "acks=all is taken again")


def replicas_come_with_nodes():
    """A topic of a single node, made with the default factor, has three replicas when there are three nodes; then the
    first node is not needed any more."""
    with Cluster(1) as cluster:
        first, topic = cluster.nodes[1], "grows"
        create(first, topic, 2, -1, ())
        require(all(p["replicas"] == [1] for p in partitions_of(cluster)), "one node, one replica")
        for _ in range(10):
            require(produce(first, topic) == 0, "a single node takes acks=all")
        cluster.add()
        cluster.add()
        cluster.settle()
        until(lambda: all(len(p["replicas"]) == 3 for p in partitions_of(cluster, topic)), REST_SECONDS,
              "each partition has three replicas")
        wait_until_whole(cluster)
        first.kill()
        until(lambda: all(p["leader"] in (2, 3) for p in partitions_of(cluster, topic)), REST_SECONDS,
              "others lead when the first node is gone")
        leader = cluster.nodes[next(p["leader"] for p in partitions_of(cluster, topic) if p["partition"] == 0)]
        require(records_of(leader, topic) == 10, "what a single node took is there without it")
        require(produce(leader, topic) == 0, "two of three are enough for acks=all")
        first.start()
        wait_until_whole(cluster)


def reading_nearby():
    """A consumer that names a rack is served by the replica in it (KIP-392)."""
    packages.need("kcat")
    cluster = Cluster(3)
    for node in cluster.nodes.values():
        node.flags = [*node.flags, "--rack", f"rack.{node.node_id}"]
    with cluster:
        topic, told = "nearby", "kafka_server_brokertopicmetrics_bytesout_total"
        create(cluster.leader(), topic, 1)
        wait_until_whole(cluster)
        leader = cluster.nodes[partitions_of(cluster, topic)[0]["leader"]]
        near = next(node for node in cluster.nodes.values() if node is not leader)
        for _ in range(20):
            require(produce(leader, topic) == 0, "acks=all")
        done = subprocess.run(["kcat", "-C", "-e", "-q", "-b", cluster.bootstrap, "-t", topic, "-o", "beginning", "-X",
                               f"client.rack=rack.{near.node_id}"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=CATCH_UP_SECONDS, check=False)
        require(done.stdout.split() == [b"record"] * 20, f"kcat read {done.stdout[-300:]}")
        require(near.metric(told) > 0, "the replica in the consumer's rack has sent nothing")
        require(leader.metric(told) == 0, "the leader has sent records")


def records_of(node, topic):
    """How many records of partition 0 a consumer sees there."""
    with wire.Link(node.address, 10) as link:
        error, _, records = wire.fetch_result(link.ask(wire.fetch(topic, 0)))
        require(error == 0, f"fetch: error {error}")
        return len(wire.values(records))


def produce(node, topic, acks=-1):
    """The error that a batch is answered with; -1: no answer."""
    try:
        with wire.Link(node.address, 10) as link:
            return wire.produce_result(link.ask(wire.produce(topic, wire.batch([b"record"]), acks)))[0]
    except (OSError, wire.Closed):
        return -1


class Client:
    """A client program that writes until its input ends, then reads: see failover_client.py."""

    def __init__(self, command, env=None):
        self.acked, self.read, self.failed = 0, None, []
        self.said = []
        self.process = subprocess.Popen(command, env=dict(os.environ, **(env or {})), stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
        self.tail = Tail(self.process.stdout, self.on_line)

    def on_line(self, line):
        word, _, rest = line.partition(" ")
        if word == "acked":
            self.acked = int(rest)
        elif word == "read":
            self.read = int(rest)
        elif word == "failed":
            self.failed.append(rest)
        else:
            self.said.append(line)

    def wait_for_progress(self):
        before = self.acked

        def has_grown():
            require(self.process.poll() is None, "the client ended early: " + "\n".join(self.said[-5:]))
            return self.acked > before
        until(has_grown, CATCH_UP_SECONDS, f"nothing is acknowledged any more ({before} were; {self.said[-3:]})")

    def finish(self):
        self.process.stdin.close()
        try:
            self.process.wait(CATCH_UP_SECONDS)
        except subprocess.TimeoutExpired:
            raise Failure(f"the client does not end: {self.said[-5:]}") from None
        self.tail.join()
        require(not self.failed, f"{len(self.failed)} messages failed: {self.failed[:2]}")
        require(self.read is not None, "nothing was read: " + "\n".join(self.said[-5:]))
        require(self.read == self.acked > 0, f"{self.acked} were acknowledged, {self.read} of them are there")


def python_command(name):
    return ([sys.executable, "-B", os.path.join(HERE, "failover_client.py"), name],
            {"PYTHONPATH": os.path.join(packages.python.get(), "lib")})


def node_command():
    packages.need("node")
    place = packages.node.get()
    shutil.copy(os.path.join(HERE, "failover_client.mjs"), place)  # node looks for packages beside the program
    return ["node", os.path.join(place, "failover_client.mjs")], None


def kcat_loses_its_leader(cluster, topic):
    """kcat has no progress to wait for: it writes what it is given, and ends."""
    packages.need("kcat")
    settings = ["-b", cluster.bootstrap, "-t", topic, "-X", "log_level=2", "-X", "reconnect.backoff.max.ms=200"]
    writer = subprocess.Popen(["kcat", "-P", "-X", "acks=all", "-X", "enable.idempotence=true", *settings],
                              stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    victim = None
    for number in range(3000):
        writer.stdin.write(b"%d\n" % number)
        if number == 1000:
            writer.stdin.flush()
            victim = leader_of(cluster, random.Random(0))
            victim.kill()
    _, errors = writer.communicate(timeout=CATCH_UP_SECONDS)
    require(writer.returncode == 0, f"kcat ended with {writer.returncode}: {errors.decode()[-300:]}")
    victim.start()
    wait_until_whole(cluster)
    done = subprocess.run(["kcat", "-C", "-e", "-q", "-o", "beginning", *settings], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=CATCH_UP_SECONDS, check=False)
    there = sorted(int(line) for line in done.stdout.split())
    require(there == list(range(3000)), f"kcat reads {len(there)} messages, {len(set(there))} different ones")


def client_loses_its_leader(cluster, topic, make):
    command, env = make()
    client = Client([*command, cluster.bootstrap, topic], env)
    try:
        client.wait_for_progress()
        for _ in range(2):
            victim = cluster.nodes[partitions_of(cluster, topic)[0]["leader"]]
            victim.kill()
            client.wait_for_progress()
            victim.start()
            wait_until_whole(cluster)
            client.wait_for_progress()
        client.finish()
    finally:
        client.process.kill()


def clients_lose_their_leader(report):
    with Cluster(3) as cluster:
        for topic in ("kcat", "confluent", "kafka-python", "platformatic"):
            create(cluster.leader(), topic, 3)
        wait_until_whole(cluster)
        report.run("replication", "kcat loses its leader", kcat_loses_its_leader, cluster, "kcat")
        for name in ("confluent", "kafka-python"):
            report.run("replication", f"{name} loses its leader", client_loses_its_leader, cluster, name,
                       lambda name=name: python_command(name))
        report.run("replication", "platformatic loses its leader", client_loses_its_leader, cluster, "platformatic",
                   node_command)


def run(report):
    if MINUTES:
        report.run("replication", f"{MINUTES:g} minutes of faults", under_load, report, random.randrange(1 << 32),
                   long_faults)
        return
    report.run("replication", "leaders lost, paused, restarted, wiped", under_load, report, random.randrange(1 << 32),
               short_faults)
    report.run("replication", "too few replicas", too_few_replicas)
    report.run("replication", "replicas come with nodes", replicas_come_with_nodes)
    report.run("replication", "reading nearby", reading_nearby)
    report.run("replication", "clients in a cluster that loses leaders", clients_lose_their_leader, report)
