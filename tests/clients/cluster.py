"""A cluster of chronik-servers on this machine: nodes that are started, added, killed, paused and removed."""
import json
import os
import signal
import subprocess
import threading
import time

import wire
from server import HOST, Failure, Server, free_port, require, until

JOIN_SECONDS = 30
REST_SECONDS = 40
TURNS = 20  # of a client at one node, before it goes to the next
PACE_SECONDS = 0.002  # of a client that asks as often as it gets answers


class Node(Server):
    """A server of a cluster. Its ports stay the same over kills and starts."""

    entering = ()  # before a command that is to run where it does

    def __init__(self, node_id, seeds, *flags):
        super().__init__(*flags)
        self.node_id, self.seeds = node_id, seeds
        self.port, self.admin_port = free_port(), free_port()
        self.node_port, self.wal_port = free_port(), free_port()

    @property
    def node_address(self):
        return f"{HOST}:{self.node_port}"

    def command(self, *more):
        seeds = ",".join(f"{seed.node_id}@{seed.node_address}" for seed in self.seeds)
        return [self.binary, "cluster", "--data-dir", self.data, "--node-id", str(self.node_id),
                "--kafka-addr", self.address, "--admin-addr", f"{HOST}:{self.admin_port}",
                "--node-addr", self.node_address, "--advertised-node-addr", self.node_address,
                "--wal-addr", f"{HOST}:{self.wal_port}", "--advertised-wal-addr", f"{HOST}:{self.wal_port}",
                *(["--seed-nodes", seeds] if seeds else []), *self.flags, *more]

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)

    def members(self):
        """What this node knows: {node id: state}; empty if it does not say."""
        try:
            status, text = self.get("/admin/cluster/members", 3)
            return {member["node_id"]: member["state"] for member in json.loads(text)} if status == 200 else {}
        except (OSError, ValueError):
            return {}

    def order(self, *words):
        """An operator's order; its exit code and what was said."""
        done = subprocess.run([*self.entering, self.binary, "cluster", *words, "--admin", f"{HOST}:{self.admin_port}"],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60,
                              check=False)
        return done.returncode, done.stdout.decode(errors="replace").strip()

    def stop_if_alive(self):
        if self.is_alive():
            self.stop()


class Cluster:
    """Nodes by id. The first one founds; the others find it."""

    make = Node

    def __init__(self, size, *flags):
        self.flags = flags
        self.nodes = {}
        self.gone = []
        self.last_id = 0
        for _ in range(size):
            self.add(start=False)

    def __enter__(self):
        try:
            for node in self.nodes.values():
                node.start()
            self.settle()
        except BaseException:
            self.close(keep=True)
            raise
        return self

    def __exit__(self, kind, *_):
        try:
            if kind is None:
                for node in self.nodes.values():
                    node.stop_if_alive()
        finally:
            self.close(keep=kind is not None)

    def add(self, start=True):
        self.last_id += 1
        node_id = self.last_id
        node = self.make(node_id, list(self.nodes.values()), *self.flags)
        self.nodes[node_id] = node
        if start:
            node.start()
        return node

    def forget(self, node_id):
        """A node that has left; its process has ended by itself."""
        self.gone.append(self.nodes.pop(node_id))

    @property
    def alive(self):
        return [node for node in self.nodes.values() if node.is_alive()]

    @property
    def bootstrap(self):
        return ",".join(node.address for node in self.nodes.values())

    def leader(self):
        """The node that leads the metadata and says so itself; None if none does just now."""
        for node in self.alive:
            if node.members().get(node.node_id) == "leader":
                return node
        return None

    def voters(self):
        size = len(self.nodes)
        return min(size if size % 2 == 1 else size - 1, 5)

    def is_settled(self):
        """Every node that lives knows all members, one leader, and as many voters as there should be."""
        wanted = sorted(self.nodes)
        for node in self.alive:
            members = node.members()
            states = list(members.values())
            if sorted(members) != wanted or states.count("leader") != 1:
                return False
            if states.count("leader") + states.count("follower") != self.voters():
                return False
        return self.leader() is not None

    def settle(self, seconds=JOIN_SECONDS):
        try:
            until(self.is_settled, seconds, "the cluster does not come to rest")
        except Failure as failure:
            seen = {node.node_id: node.members() for node in self.alive}
            raise Failure(f"{failure}: members as each node has them: {seen}; {self.logs()}") from None

    def logs(self, size=1500):
        return "".join(f"\n--- log of node {n.node_id}:\n{n.log()[-size:]}" for n in self.nodes.values())

    def close(self, keep=False):
        for node in [*self.nodes.values(), *self.gone]:
            node.close(keep)


class Administrator:
    """Creates, lists and deletes topics on one node after the other, as fast as it is answered. Every error that a
    client would notice is counted; a broken connection is not: it goes on elsewhere, as clients do."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.end = threading.Event()
        self.errors = []
        self.made = self.listed = self.deleted = self.moves = 0
        self.there = {}  # the oldest first
        self.longest = 0.0  # seconds without an answer
        self.thread = threading.Thread(target=self.run, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.end.set()
        self.thread.join()

    def run(self):
        number, last = 0, time.monotonic()
        while not self.end.is_set():
            node = self.pick(number)
            try:
                with wire.Link(node.address, 2) as link:
                    while not self.end.is_set():
                        self.turn(link, number)
                        number += 1
                        self.longest = max(self.longest, time.monotonic() - last)
                        last = time.monotonic()
                        if number % TURNS == 0:
                            break
            except (OSError, wire.Closed):
                self.moves += 1
                self.end.wait(PACE_SECONDS)
                number = (number // TURNS + 1) * TURNS

    def pick(self, number):
        nodes = list(self.cluster.nodes.values())
        return nodes[number // TURNS % len(nodes)]

    def turn(self, link, number):
        name = f"administered.{number}"
        error = wire.create_result(link.ask(wire.create_topic(name, 1 + number % 3)))
        if error == 0:
            self.made += 1
            self.there[name] = True
        elif error == 36:  # it was made, and the answer was lost with its connection
            self.there[name] = True
        elif error not in (7, 41):
            self.errors.append(f"create {name}: error {error}")
        if number % 7 == 0:
            link.ask(wire.metadata(None))
            self.listed += 1
        if len(self.there) > 30:
            name = next(iter(self.there))
            error = wire.delete_result(link.ask(wire.delete_topic(name)))
            if error == 0:
                self.there.pop(name, None)
                self.deleted += 1
            elif error == 3:
                self.there.pop(name, None)
            elif error not in (7, 41):
                self.errors.append(f"delete {name}: error {error}")

    def judge(self, cluster):
        """What is there now is what was left there."""
        require(not self.errors, f"{len(self.errors)} errors, the first: {self.errors[:3]}")
        require(self.made > 0, "no topic could be made")
        node = cluster.leader() or cluster.alive[0]
        with wire.Link(node.address) as link:
            names = link.ask(wire.metadata(None)).decode("latin-1")
        for name in self.there:
            require(name in names, f"topic {name} was made and is lost")


def toml(directory, text):
    path = os.path.join(directory, "chronik.toml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path
