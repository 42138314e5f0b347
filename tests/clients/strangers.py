"""Nodes that do not belong together, places where nobody answers, and disks that lie or are full: each side says what
is wrong, nobody crashes, and the cluster goes on."""
import glob
import os
import random
import shutil
import socket
import struct
import subprocess
import tempfile

import wire
from cluster import HOST, REST_SECONDS, Cluster, Node
from packages import Absent
from server import free_port, require, until

NOBODY = "192.0.2.1:9093"  # an address for documents: packets to it are lost


class Place:
    """Where a seed is said to be."""

    def __init__(self, node_id, node_address):
        self.node_id, self.node_address = node_id, node_address


def begin(node):
    """Starts it without waiting until it serves, which it may never do."""
    node.log_read = os.path.getsize(node.log_path) if os.path.exists(node.log_path) else 0
    with open(node.log_path, "ab") as log:
        node.process = subprocess.Popen(node.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    return node


def make(node, name):
    with wire.Link(node.address, 30) as link:
        error = wire.create_result(link.ask(wire.create_topic(name, 1)))
    require(error == 0, f"create {name}: error {error}")


def seeds_that_do_not_answer():
    """One refuses, one is silent, one has no name: the fourth one is found; without it the node waits, and says so."""
    dead = [Place(7, f"{HOST}:{free_port()}"), Place(8, NOBODY), Place(9, "no-such-host.invalid:9093")]
    with Cluster(1) as cluster:
        node = Node(2, dead)
        begin(node)
        try:
            until(lambda: "cannot be reached" in node.log(), REST_SECONDS, "it says whom it cannot reach")
            require(node.get("/health")[0] == 503 and node.is_alive(), "it waits, and founds nothing")
            node.kill()
            node.seeds = [*dead, cluster.nodes[1]]
            cluster.nodes[2] = node
            node.start()
            cluster.settle(REST_SECONDS)
        finally:
            if 2 not in cluster.nodes:
                node.close()


def take_place(node, stranger):
    """The stranger is where the node was."""
    stranger.node_port, stranger.wal_port = node.node_port, node.wal_port
    return begin(stranger)


def a_wiped_founder():
    """It begins a second cluster where the first one looks for it: it stops, and says what to do."""
    with Cluster(3) as cluster:
        node = cluster.nodes[1]
        node.kill()
        shutil.rmtree(node.data)
        node.seeds = []
        begin(node)
        code = node.process.wait(REST_SECONDS)
        require(code == 6, f"it ended with {code}: {node.log()[-800:]}")
        require("must join with seed_nodes" in node.log(), f"it says why: {node.log()[-800:]}")
        shutil.rmtree(node.data)
        node.seeds = [cluster.nodes[2]]
        node.start()
        cluster.settle(REST_SECONDS)


def a_node_of_another_cluster():
    stranger = Node(2, [])
    try:
        with Cluster(2) as cluster:
            stranger.start()
            make(stranger, "of.another.cluster")
            stranger.stop()
            victim = cluster.nodes[2]
            victim.kill()
            take_place(victim, stranger)
            until(lambda: "belongs to another cluster" in stranger.log(), REST_SECONDS, "the stranger says so")
            until(lambda: "belongs to another cluster" in cluster.nodes[1].log(), REST_SECONDS, "so does the cluster")
            until(stranger.is_ready, REST_SECONDS, "each goes on by itself")
            make(stranger, "still.another.cluster")
            make(cluster.nodes[1], "of.this.cluster")
            stranger.stop()
            victim.start()
            cluster.settle(REST_SECONDS)
    finally:
        stranger.close()


def hello(version_min, version_max):
    body = b"CHRP" + struct.pack(">HHB3xiiQ", version_min, version_max, 0, 5, 0, 5 << 24 | 1) + bytes(16) + b"i" * 16
    body += struct.pack(">HH", 9093, 9291) + b"\x01a\x01b"
    rest = struct.pack(">IB3x", len(body), 200) + body
    return struct.pack(">II", 8 + len(rest), wire.crc32c(rest)) + rest


def say(node, data):
    """What comes back, until the other end closes."""
    with socket.create_connection((HOST, node.node_port), timeout=10) as link:
        link.sendall(data)
        answer = b""
        while True:
            try:
                more = link.recv(4096)
            except ConnectionResetError:
                return answer
            if not more:
                return answer
            answer += more


def other_versions_and_noise():
    with Cluster(1) as cluster:
        node = cluster.nodes[1]
        answer = say(node, hello(9, 12))
        require(len(answer) > 24 and answer[12] == 202 and answer[24] == 1, f"not refused for its version: {answer!r}")
        until(lambda: "node 5 called, and was turned away" in node.log(), REST_SECONDS, "the log names it")
        damaged = bytearray(hello(1, 1))
        damaged[40] ^= 1
        require(say(node, bytes(damaged)) == b"", "a damaged handshake is answered")
        dice = random.Random(4)
        for size in (1, 16, 100, 3000):
            require(say(node, dice.randbytes(size) + b"\xff" * 16) == b"", "noise is answered")
        require(say(node, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n") == b"", "a web browser is answered")
        make(node, "goes.on")


def a_flipped_bit_in_a_snapshot():
    """It is not believed: the node stops and says so, rather than serve something else. Empty, it learns all again."""
    with Cluster(3, "--meta-snapshot-entries", "16") as cluster:
        for number in range(60):
            make(cluster.nodes[1 + number % 3], f"many.{number}")
        node = next(node for node in cluster.nodes.values() if node is not cluster.leader())
        until(lambda: glob.glob(os.path.join(node.data, "wal", "__meta", "snapshot-*")), REST_SECONDS, "a snapshot")
        node.stop()
        for path in glob.glob(os.path.join(node.data, "wal", "__meta", "snapshot-*")):
            with open(path, "r+b") as file:
                file.seek(os.path.getsize(path) // 2)
                byte = file.read(1)
                file.seek(-1, os.SEEK_CUR)
                file.write(bytes([byte[0] ^ 16]))
        begin(node)
        code = node.process.wait(REST_SECONDS)
        require(code == 5 and "not what was written" in node.log(), f"it ended with {code}: {node.log()[-800:]}")
        shutil.rmtree(node.data)
        node.start()
        cluster.settle(REST_SECONDS)
        with wire.Link(node.address) as link:
            names = link.ask(wire.metadata(None)).decode("latin-1")
        require(all(f"many.{number}" in names for number in range(60)), "topics are missing")


def a_voter_with_a_full_disk():
    home = tempfile.mkdtemp(prefix="chronik-test-")
    if os.getuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300m", "tmpfs", home],
                                          capture_output=True, check=False).returncode != 0:
        os.rmdir(home)
        raise Absent("a small file system cannot be mounted here")
    try:
        with Cluster(3) as cluster:
            fill_up(cluster, home)
    finally:
        subprocess.run(["umount", "-l", home], check=False)
        os.rmdir(home)


def take_all_space(path):
    with open(path, "wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(1 << 20))
        except OSError:
            pass


def fill_up(cluster, home):
    node = next(node for node in cluster.nodes.values() if node is not cluster.leader())
    node.stop()
    shutil.rmtree(node.data)
    node.data = os.path.join(home, "data")
    node.start()
    cluster.settle(REST_SECONDS)
    ballast = os.path.join(home, "ballast")
    take_all_space(ballast)
    others = [other for other in cluster.nodes.values() if other is not node]
    for number in range(100):
        make(others[number % 2], f"while.full.{number}")
    require(node.is_alive(), f"the full one ended: {node.log()[-800:]}")
    os.unlink(ballast)
    cluster.settle(REST_SECONDS)

    def knows_all():
        with wire.Link(node.address) as link:
            names = link.ask(wire.metadata(None)).decode("latin-1")
        return all(f"while.full.{number}" in names for number in range(100))
    until(knows_all, REST_SECONDS, "it catches up")


def run(report):
    for case in (seeds_that_do_not_answer, a_wiped_founder, a_node_of_another_cluster, other_versions_and_noise,
                 a_flipped_bit_in_a_snapshot, a_voter_with_a_full_disk):
        report.run("strangers", case.__name__, case)
