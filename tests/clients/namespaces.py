"""Nodes with addresses of their own, each in a network namespace, and what happens when some cannot reach others.

Runs itself again in a fresh namespace, which is the switch between them and where clients sit; so nothing outside is
touched, and all of it goes when the processes end. Needs root. A direction is cut in the namespace of who sends, by
a hardware address that nobody has: packets are lost silently, and clients reach every node all the time."""
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request

import wire
from cases import Skip, run
from cluster import REST_SECONDS, Cluster, Node
from server import require, until

SUBNET, PREFIX = "10.9.0", 24
NOBODY = "02:00:00:00:00:01"
FAR = 254  # the last part of the clients' address


def system(*words):
    done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          check=False)
    require(done.returncode == 0, f"{' '.join(words)}: {done.stdout.decode(errors='replace').strip()}")


def may_unshare():
    try:
        done = subprocess.run(["unshare", "-n", "ip", "link", "add", "switch", "type", "bridge"],
                              stdin=subprocess.DEVNULL, capture_output=True, check=False)
        return done.returncode == 0
    except OSError:
        return False


class Placed(Node):
    """A node in a namespace of its own."""

    def __init__(self, node_id, seeds, *flags):
        super().__init__(node_id, seeds, *flags)
        self.ip = f"{SUBNET}.{node_id}"
        self.port, self.admin_port, self.node_port, self.wal_port = 9092, 8080, 9093, 9291
        self.holder = subprocess.Popen(["unshare", "-n", "cat"], stdin=subprocess.PIPE)  # ends with us, however we do
        ours = os.readlink("/proc/self/ns/net")
        until(lambda: os.readlink(f"/proc/{self.holder.pid}/ns/net") != ours, REST_SECONDS, "a namespace")
        system("ip", "link", "add", f"node{node_id}", "type", "veth", "peer", "name", "eth0", "netns",
               str(self.holder.pid))
        system("ip", "link", "set", f"node{node_id}", "master", "switch", "up")
        self.inside("ip", "addr", "add", f"{self.ip}/{PREFIX}", "dev", "eth0")
        self.inside("ip", "link", "set", "lo", "up")
        self.inside("ip", "link", "set", "eth0", "up")

    @property
    def entering(self):
        return ["nsenter", "-t", str(self.holder.pid), "-n", "--"]

    def inside(self, *words):
        system(*self.entering, *words)

    @property
    def address(self):
        return f"{self.ip}:{self.port}"

    @property
    def node_address(self):
        return f"{self.ip}:{self.node_port}"

    def command(self, *more):
        seeds = ",".join(f"{seed.node_id}@{seed.node_address}" for seed in self.seeds)
        return [*self.entering, self.binary, "cluster", "--data-dir", self.data, "--node-id", str(self.node_id),
                "--advertised-node-addr", self.node_address, *(["--seed-nodes", seeds] if seeds else []), *self.flags,
                *more]

    def get(self, path, seconds=10):
        try:
            with urllib.request.urlopen(f"http://{self.ip}:{self.admin_port}{path}", timeout=seconds) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def stops_sending_to(self, *others):
        for other in others:
            self.inside("ip", "neigh", "replace", other.ip, "lladdr", NOBODY, "dev", "eth0", "nud", "permanent")

    def sends_again(self):
        self.inside("ip", "neigh", "flush", "dev", "eth0", "nud", "permanent")

    def close(self, keep=False):
        super().close(keep)
        self.holder.kill()
        self.holder.wait()
        subprocess.run(["ip", "link", "del", f"node{self.node_id}"], capture_output=True, check=False)


class Placing(Cluster):
    make = Placed


def create(node, name, timeout_ms=3000):
    with wire.Link(node.address, 20) as link:
        return wire.create_result(link.ask(wire.create_topic(name, 1, timeout_ms=timeout_ms)))


def creates(node, name):
    """True if it could be made there now, or before this was asked."""
    try:
        return create(node, name) in (0, 36)
    except (OSError, wire.Closed):
        return False


def topics(node):
    with wire.Link(node.address) as link:
        return link.ask(wire.metadata(None)).decode("latin-1")


def part(nodes, others):
    """No packet passes between the two, either way."""
    for node in nodes:
        node.stops_sending_to(*others)
    for other in others:
        other.stops_sending_to(*nodes)


def heal(cluster):
    for node in cluster.nodes.values():
        node.sends_again()
    cluster.settle(REST_SECONDS)


def expect_one_truth(cluster, *names):
    """All nodes know the same topics, and these among them."""
    def agree():
        seen = [topics(node) for node in cluster.nodes.values()]
        lost = [name for name in names for text in seen if name not in text]
        doubtful = {"doubtful" in text for text in seen}
        return not lost and len(doubtful) == 1
    until(agree, REST_SECONDS, "all nodes know the same")


def a_leader_in_the_minority():
    with Placing(3) as cluster:
        old = cluster.leader()
        others = [node for node in cluster.nodes.values() if node is not old]
        require(create(old, "before") == 0, "made before")
        part([old], others)
        began = time.monotonic()
        until(lambda: creates(others[0], "majority"), REST_SECONDS, "the majority decides")
        took = time.monotonic() - began
        error = create(old, "doubtful")
        require(error == 7, f"the minority answers {error}, not REQUEST_TIMED_OUT")
        require("majority" not in topics(old), "it cannot know what was decided without it")
        require(old.members().get(old.node_id) != "leader", "it does not lead any more")
        heal(cluster)
        expect_one_truth(cluster, "before", "majority")
        require(creates(old, "after"), "it is back")
        require(took < REST_SECONDS, "in time")


def a_follower_in_the_minority():
    with Placing(3) as cluster:
        leader = cluster.leader()
        term = leader.metric("raft_current_term")
        lonely = next(node for node in cluster.nodes.values() if node is not leader)
        part([lonely], [node for node in cluster.nodes.values() if node is not lonely])
        require(create(leader, "majority") == 0, "the majority decides")
        error = create(lonely, "doubtful")
        require(error == 7, f"the minority answers {error}, not REQUEST_TIMED_OUT")
        heal(cluster)
        expect_one_truth(cluster, "majority")
        require(cluster.leader() is leader and leader.metric("raft_current_term") == term,
                "who was away does not depose the leader (pre-vote)")


def a_leader_that_is_not_heard():
    """It hears all others, and nothing of what it says arrives: others lead, and it finds out."""
    with Placing(3) as cluster:
        mute = cluster.leader()
        others = [node for node in cluster.nodes.values() if node is not mute]
        mute.stops_sending_to(*others)
        until(lambda: creates(others[0], "without"), REST_SECONDS, "the others decide")
        until(lambda: mute.members().get(mute.node_id) != "leader", REST_SECONDS, "it gives up")
        heal(cluster)
        expect_one_truth(cluster, "without")


def two_that_do_not_hear_each_other():
    """A follower hears nothing of the leader, but both are heard by the third: no leader is deposed for that."""
    with Placing(3) as cluster:
        leader = cluster.leader()
        deaf = next(node for node in cluster.nodes.values() if node is not leader)
        leader.stops_sending_to(deaf)
        began = time.monotonic()
        made = 0
        while time.monotonic() - began < 3:
            require(create(leader, f"through.{made}") == 0, "the leader decides all the time")
            made += 1
        require(cluster.leader() is leader, "it leads on")
        heal(cluster)
        expect_one_truth(cluster, "through.0", f"through.{made - 1}")


def five_in_two_parts():
    with Placing(5) as cluster:
        leader = cluster.leader()
        others = [node for node in cluster.nodes.values() if node is not leader]
        few, many = [leader, others[0]], others[1:]
        part(few, many)
        until(lambda: creates(many[0], "three"), REST_SECONDS, "three of five decide")
        require(create(few[1], "doubtful") == 7, "two of five do not")
        heal(cluster)
        expect_one_truth(cluster, "three")


def begin():
    """In a fresh namespace: the switch, and the clients' place at it."""
    system("ip", "link", "set", "lo", "up")
    system("ip", "link", "add", "switch", "type", "bridge")
    system("ip", "addr", "add", f"{SUBNET}.{FAR}/{PREFIX}", "dev", "switch")
    system("ip", "link", "set", "switch", "up")


def main():
    if "--inside" not in sys.argv:
        if not may_unshare():
            def no_namespaces():
                raise Skip("network namespaces need root, iproute2 and util-linux")
            run([no_namespaces])
            return
        os.execvp("unshare", ["unshare", "-n", sys.executable, "-B", os.path.abspath(__file__), "--inside"])
    sys.argv.remove("--inside")
    begin()
    only = [case for case in sys.argv[1:] if not case.startswith("127.")]
    sys.argv[1:] = ["", *only]
    run([a_leader_in_the_minority, a_follower_in_the_minority, a_leader_that_is_not_heard,
         two_that_do_not_hear_each_other, five_in_two_parts])


if __name__ == "__main__":
    main()
