"""Everything at once, for as long as is asked: three to four nodes, each with an address and a disk of its own, under
load, while nodes are killed, paused, wiped, restarted in turn, cut off both ways or one way only, run out of disk,
come, go, and partitions move between them.

What clients count is what kills count (kill_load.c): nothing that was acknowledged is lost, nothing of an idempotent
producer is there twice or out of order, nothing that was seen changes. For each kind of fault it is told how long
partitions took no message.

CHRONIK_SOAK_MINUTES: so many minutes of faults, drawn from CHRONIK_SOAK_SEED; without it each kind once. Needs root:
nodes live in network namespaces (namespaces.py), and disks are files mounted in a namespace of mounts, so nothing
outside is touched and all of it goes with the process."""
import json
import os
import random
import shutil
import statistics
import sys
import time

import namespaces
import wire
from cluster import REST_SECONDS
from kills import Load
from namespaces import Placed, Placing
from replication import CATCH_UP_SECONDS, PAUSES, TOPICS, Faults, create, is_whole, leader_of, partitions_of, \
    wait_until_whole
from server import Failure, require, until

MINUTES = float(os.environ.get("CHRONIK_SOAK_MINUTES", "0"))
SEED = int(os.environ.get("CHRONIK_SOAK_SEED", "0")) or random.randrange(1 << 32)
RATE = 1500 if MINUTES else 2400  # messages a second
CUTS = (0.5, 6.0)
DISK_SIZE = 1 << 30
FULL_SECONDS = 60
REQUEST_TIMED_OUT = 7


class Equipped(Placed):
    """A node with an address and a disk of its own."""

    def __init__(self, node_id, seeds, *flags):
        super().__init__(node_id, seeds, *flags)
        image = os.path.join(self.home, "disk")
        with open(image, "wb") as file:
            file.truncate(DISK_SIZE)
        namespaces.system("mkfs.ext4", "-q", "-m", "0", "-O", "^has_journal", image)
        os.mkdir(self.data)
        namespaces.system("mount", "-o", "loop,discard", image, self.data)
        self.wipe()
        self.ballast = os.path.join(self.data, "ballast")

    def wipe(self):
        for name in os.listdir(self.data):
            path = os.path.join(self.data, name)
            if os.path.isdir(path):
                shutil.rmtree(path)
            else:
                os.remove(path)

    def fill(self):
        """Nothing is left on its disk."""
        with open(self.ballast, "wb") as file:
            size = 0
            for piece in (1 << 26, 1 << 22, 1 << 16, 1 << 12):
                try:
                    while True:
                        os.posix_fallocate(file.fileno(), size, piece)
                        size += piece
                except OSError:
                    continue

    def drain(self):
        os.remove(self.ballast)

    def close(self, keep=False):
        if not os.path.ismount(self.data):
            return  # it left
        if self.is_alive():
            self.kill()
        namespaces.system("umount", self.data)
        super().close(keep)


class Equipping(Placing):
    make = Equipped


class AllFaults(Faults):
    """Those of replication.py, and what takes networks and disks. Each leaves the cluster whole again."""

    def __init__(self, cluster, load, dice):
        super().__init__(cluster, load, dice)
        self.gaps = {}

    def wipe(self):
        node = leader_of(self.cluster, self.dice)
        node.kill()
        node.wipe()
        node.seeds = [other for other in self.cluster.nodes.values() if other is not node]
        self.load.wait_for_progress()
        node.start()
        self.cluster.settle(REST_SECONDS)

    def others(self, node):
        return [other for other in self.cluster.nodes.values() if other is not node]

    def rest(self):
        time.sleep(self.dice.uniform(*CUTS))
        namespaces.heal(self.cluster)

    def cut(self):
        """A leader reaches no other node, and none reaches it; clients reach all of them."""
        node = leader_of(self.cluster, self.dice)
        namespaces.part([node], self.others(node))
        self.rest()

    def mute(self):
        """Nothing that a leader says to other nodes arrives, and it hears them."""
        node = leader_of(self.cluster, self.dice)
        node.stops_sending_to(*self.others(node))
        self.rest()

    def deafen(self):
        """Nothing of what others say arrives at a leader, and they hear it."""
        node = leader_of(self.cluster, self.dice)
        for other in self.others(node):
            other.stops_sending_to(node)
        self.rest()

    def one_way(self):
        """One direction between two nodes."""
        node, other = self.dice.sample(list(self.cluster.nodes.values()), 2)
        node.stops_sending_to(other)
        self.rest()

    def full(self):
        """The disk of a leader is full, until somebody makes room: others lead meanwhile."""
        node = leader_of(self.cluster, self.dice)
        node.fill()
        until(lambda: not node.is_alive() or node.metric("chronik_disk_full") > 0, FULL_SECONDS, "its disk is full")
        until(lambda: not node.is_alive() or not self.is_seen_leading(node), FULL_SECONDS, "others lead")
        self.load.wait_for_progress()
        time.sleep(self.dice.uniform(*PAUSES))
        node.drain()
        if not node.is_alive():
            node.start()

    def is_seen_leading(self, node):
        """By another node: what the full one knows may be old."""
        for other in self.others(node):
            if other.is_alive():
                status, text = other.get("/admin/cluster/partitions", 3)
                return status != 200 or any(p["leader"] == node.node_id and len(p["replicas"]) > 1
                                            for p in json.loads(text))
        return True

    def reassign(self):
        """Partitions of a topic go to other replicas, or to fewer, and then to all again."""
        topic = self.dice.choice(TOPICS)
        nodes = sorted(self.cluster.nodes)
        self.move(topic, {p["partition"]: self.dice.sample(nodes, 2) for p in partitions_of(self.cluster, topic)})
        self.load.wait_for_progress()
        self.move(topic, {p["partition"]: self.dice.sample(nodes, 3) for p in partitions_of(self.cluster, topic)})

    def move(self, topic, targets):
        def is_taken():
            with wire.Link(self.dice.choice(self.cluster.alive).address) as link:
                error = wire.reassign_result(link.ask(wire.reassign(topic, targets)))
            require(error in (0, REQUEST_TIMED_OUT), f"reassign {topic}: error {error}")
            return error == 0
        until(is_taken, REST_SECONDS, f"reassign {topic}")

        def is_done():
            there = {p["partition"]: p for p in partitions_of(self.cluster, topic)}
            return there and all(there[number]["replicas"] == target and len(there[number]["isr"]) == len(target)
                                 for number, target in targets.items())
        until(is_done, CATCH_UP_SECONDS, f"{topic} is where it is to be: {targets}")

    def exchange(self):
        """A node comes, gets its share, and one of those that were there goes for good."""
        self.cluster.add()
        self.cluster.settle(REST_SECONDS)
        code, said = self.order("rebalance")
        require(code == 0, said)
        wait_until_whole(self.cluster)
        self.load.wait_for_progress()
        gone = self.dice.choice(sorted(self.cluster.nodes)[1:])  # the first stays: it is where clients begin
        code, said = self.order("remove-node", str(gone))
        require(code == 0, said)
        node = self.cluster.nodes[gone]
        until(lambda: not node.is_alive(), CATCH_UP_SECONDS, f"node {gone} goes; it was told: {said}")
        self.cluster.forget(gone)
        node.judge_log()
        node.close()
        for other in self.cluster.nodes.values():
            other.seeds = [seed for seed in self.cluster.nodes.values() if seed is not other]
        self.cluster.settle(REST_SECONDS)

    def order(self, *words):
        return self.dice.choice(self.cluster.alive).order(*words)

    def run(self, name):
        before = len(self.load.gaps_ms)
        began = time.monotonic()
        print(f"{time.strftime('%H:%M:%S')} {name}", file=sys.stderr, flush=True)
        super().run(name)
        self.gaps.setdefault(name, []).extend(self.load.gaps_ms[before:])
        print(f"    {time.monotonic() - began:.1f} s, {self.load.gaps_ms[before:]}", file=sys.stderr, flush=True)

    def tell(self):
        for name in sorted(self.gaps):
            gaps = self.gaps[name]
            told = f"median {statistics.median(gaps):.0f} ms, longest {max(gaps)} ms" if gaps else "none of 250 ms"
            print(f"        {name}: {self.done.count(name)} times, {len(gaps)} pauses of a partition, {told}",
                  flush=True)


KINDS = ["kill", "pause", "restart", "wipe", "blackout", "minority", "cut", "mute", "deafen", "one_way", "full",
         "reassign", "exchange"]
OFTEN = ["kill", "kill", "pause", "cut", "mute", "deafen", "one_way"]
SHORT = ["cut", "mute", "deafen", "one_way", "full", "reassign", "exchange", "kill"]


def drawn(dice):
    if not MINUTES:
        yield from dice.sample(SHORT, len(SHORT))
        return
    end = time.monotonic() + MINUTES * 60
    while time.monotonic() < end:
        yield dice.choice(KINDS + OFTEN)


class Lines:
    """What main.py reads."""

    failed = 0

    def case(self, _, word, name, why=""):
        self.failed += word == "failed"
        print(f"{word} {name}{': ' if why else ''}{' '.join(str(why).split())[:3000]}", flush=True)


def soak(lines):
    dice = random.Random(SEED)
    with Equipping(3) as cluster:
        done = []
        try:
            for name in TOPICS:
                create(cluster.leader(), name)
            until(lambda: is_whole(cluster), CATCH_UP_SECONDS, "all replicas are in sync")
            load = Load(lines, cluster.bootstrap, str(RATE), "replicated", "1", suite="soak")
            try:
                load.wait_for_progress()
                does = AllFaults(cluster, load, dice)
                done = does.done
                for name in drawn(dice):
                    does.run(name)
                load.wait_for_progress()
                load.finish()
                does.tell()
            finally:
                load.process.kill()
            print("        " + "; ".join(line for line in load.said if "gaps" in line or "written" in line), flush=True)
            require(lines.failed == 0, "see above")
        except Failure as failure:
            raise Failure(f"{failure} (seed {SEED}, after {done}){cluster.logs(4000)}") from None


def main():
    lines = Lines()
    name = f"{MINUTES:g} minutes of faults" if MINUTES else "each fault once"
    if "--inside" not in sys.argv:
        if not namespaces.may_unshare() or shutil.which("mkfs.ext4") is None:
            lines.case("", "skipped", name, "namespaces and disks need root, iproute2, util-linux and e2fsprogs")
            return
        os.execvp("unshare", ["unshare", "-n", "-m", sys.executable, "-B", os.path.abspath(__file__), "--inside"])
    namespaces.begin()
    began = time.monotonic()
    try:
        soak(lines)
    except Failure as failure:
        print(failure, file=sys.stderr, flush=True)
        lines.case("", "failed", name, failure)
    else:
        lines.case("", "passed", f"{name} ({time.monotonic() - began:.0f} s, seed {SEED})")


if __name__ == "__main__":
    main()
