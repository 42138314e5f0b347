"""Three nodes, replication factor 3, beside one node: what copies cost, how fast a follower comes back, and what many
partitions cost a cluster that has nothing to do with them."""
import mmap
import os
import struct
import subprocess
import tempfile
import time

import wire
from cluster import Cluster
from server import HOST, Failure, Server, until

MIB = 1 << 20
ISR_SECONDS = 120
WARM_SECONDS = 3


class Topic:
    """What Metadata says of one: leaders and in-sync replicas by partition, and where nodes are."""

    def __init__(self, address, name):
        with wire.Link(address) as link:
            answer = link.ask(wire.metadata([name]))
        self.answer, self.at = answer, 0
        self.ports = {}
        for _ in range(self.take(">i")):
            node = self.take(">i")
            self.text()
            self.ports[node] = self.take(">i")
            self.text()
        self.take(">i")
        self.leaders, self.isr = {}, {}
        for _ in range(self.take(">i")):
            self.take(">h")
            self.text()
            self.take(">b")
            for _ in range(self.take(">i")):
                self.take(">h")
                index, leader = self.take(">i"), self.take(">i")
                self.numbers()
                self.leaders[index], self.isr[index] = leader, self.numbers()

    def take(self, form):
        value, = struct.unpack_from(form, self.answer, self.at)
        self.at += struct.calcsize(form)
        return value

    def text(self):
        size = self.take(">h")
        self.at += max(size, 0)

    def numbers(self):
        return [self.take(">i") for _ in range(self.take(">i"))]

    def is_whole(self, partitions, replicas):
        return len(self.leaders) == partitions and all(len(isr) == replicas for isr in self.isr.values())


def create(address, name, partitions, replicas):
    """Made, led, and in sync everywhere."""
    with wire.Link(address, 60) as link:
        error = wire.create_result(link.ask(wire.create_topic(name, partitions, replicas)))
    if error != 0:
        raise Failure(f"create {name}: error {error}")
    until(lambda: Topic(address, name).is_whole(partitions, replicas), ISR_SECONDS, f"{name} is not in sync")
    return Topic(address, name)


def commit(topic, name):
    """Waits until every replica has what was written: the next measurement is not to pay for it."""
    with wire.Link(f"{HOST}:{topic.ports[topic.leaders[0]]}", 60) as link:
        error = wire.produce_result(link.ask(wire.produce(name, wire.batch([b"last"]), timeout=60000)))[0]
    if error != 0:
        raise Failure(f"{name} does not become committed: error {error}")


class Single:
    """One node, as the measure."""

    name, replicas = "one node", 1

    def __enter__(self):
        self.server = Server().start()
        self.servers = [self.server]
        return self

    def __exit__(self, *_):
        self.server.stop()
        self.server.close()


class Trio:
    name, replicas = "three nodes", 3

    def __enter__(self):
        self.cluster = Cluster(3)
        self.cluster.__enter__()
        self.servers = list(self.cluster.nodes.values())
        return self

    def __exit__(self, *more):
        self.cluster.__exit__(*more)


class NullTrio:
    """bench_null leads two of itself: what a leader and two followers that all sync could do at best."""

    def __init__(self, tool, home, kind):
        self.name = f"null with two followers, {kind}"
        self.tool, self.home, self.kind = tool, home, kind

    def __enter__(self):
        followers = [self.begin("follow"), self.begin("follow")]
        self.processes = [self.begin(*(port for _, port in followers)), *(process for process, _ in followers)]
        self.processes[0], self.port = self.processes[0]
        self.pids = [process.pid for process in self.processes]
        return self

    def begin(self, *role):
        process = subprocess.Popen([self.tool("bench_null"), self.home, self.kind, "0", *map(str, role)],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        return process, int(process.stdout.readline())

    def __exit__(self, *_):
        for process in self.processes:
            process.stdin.close()
            process.wait()


def cpu(pids):
    """Seconds that these have had: threads that are there, to the nanosecond."""
    total = 0
    for pid in pids:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as file:
                total += int(file.read().split()[0])
    return total / 1e9


def pids_of(servers):
    return [server.process.pid for server in servers if server.is_alive()]


SECTOR = 512
DISK_BLOCK, DISK_SIZE = MIB, 256 * MIB


def disk_written(path):
    """Bytes that the disk below a path was given since the machine began."""
    device = os.stat(path).st_dev
    with open(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/stat", encoding="ascii") as file:
        return int(file.read().split()[6]) * SECTOR


def disk_rates(home):
    """MB/s of one writer, a mebibyte and a sync at a time: to a file that grows, and over it again."""
    path = os.path.join(home, "disk")
    block = mmap.mmap(-1, DISK_BLOCK)
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_DIRECT)
    rates = []
    for _ in range(2):
        begin = time.monotonic()
        for at in range(0, DISK_SIZE, DISK_BLOCK):
            os.pwritev(file, [block], at)
            os.fdatasync(file)
        rates.append(DISK_SIZE / (time.monotonic() - begin) / 1e6)
    os.close(file)
    os.unlink(path)
    return rates


BUSY = 0.85  # of all CPUs, or of what one writer gets from the disk


class Bench:
    def __init__(self, tool, numbers, table, big, say):
        self.tool, self.numbers, self.table, self.big, self.say = tool, numbers, table, big, say

    def client(self, pids, port, name, shape, seconds):
        """One run of the raw client at a port; the CPU is that of all nodes, the disk's bytes are everybody's."""
        value, records, window, acks = shape
        before, disk, began = cpu(pids), disk_written(tempfile.gettempdir()), time.monotonic()
        measured = self.numbers([self.tool("bench_wire"), "produce", port, name, value, records, acks, window, 1,
                                 seconds])
        took = time.monotonic() - began  # the client's warm-up too
        measured["server_cpu"] = (cpu(pids) - before) * measured["seconds"] / took
        measured["disk"] = (disk_written(tempfile.gettempdir()) - disk) / took
        return measured

    def produce(self, peer, topic, name, shape, seconds):
        return self.client(pids_of(peer.servers), topic.ports[topic.leaders[0]], name, shape, seconds)

    def throughput(self, home, rounds, seconds):
        shapes = [(100, 100, 5), (100, 100, 64), (1024, 16, 5), (1024, 16, 64), (1024, 1, 1), (1024, 1, 1024)]
        results, rates = {}, []
        with Single() as single, Trio() as trio, NullTrio(self.tool, home, "thread") as null, \
                NullTrio(self.tool, home, "keeping") as keeping:
            topics = {}
            for shape in shapes:
                for peer in (single, trio):
                    name = "wire.%d.%d.%d" % shape
                    topics[peer.name, shape] = create(peer.servers[0].address, name, 1, peer.replicas), name
            for peer in (single, trio):  # once around the journals, as in `run`
                topic, name = topics[peer.name, shapes[3]]
                self.produce(peer, topic, name, (1024, 16, 64, -1), WARM_SECONDS)
            for round_ in range(rounds):
                self.say(f"replicated, round {round_ + 1} of {rounds}")
                rates.append(disk_rates(home))
                for shape in shapes:
                    for peer in (null, keeping):
                        measured = self.client(peer.pids, peer.port, "null", (*shape, -1), seconds)
                        results.setdefault((shape, peer.name, -1), []).append(measured)
                    for peer, acks in ((single, -1), (trio, -1), (trio, 1), (trio, 0)):
                        topic, name = topics[peer.name, shape]
                        measured = self.produce(peer, topic, name, (*shape, acks), seconds)
                        results.setdefault((shape, peer.name, acks), []).append(measured)
                        commit(topic, name)
        grown, again = (sorted(rate)[len(rate) // 2] for rate in zip(*rates))
        self.print_rates(shapes, results, grown)
        print(f"\nThe disk: {grown:.0f} MB/s to a file that grows, {again:.0f} MB/s over what was written before, one "
              "writer with a mebibyte and a sync at a time. `disk` is what it was given meanwhile, by anybody.")

    def print_rates(self, shapes, results, disk_rate):
        lines = []
        for shape in shapes:
            base = results[shape, "one node", -1]
            for (of, name, acks), all_ in results.items():
                if of != shape:
                    continue
                middle = lambda values: sorted(values)[len(values) // 2]  # noqa: E731
                get = lambda key: middle([m[key] for m in all_])  # noqa: E731, B023
                rates = [m["records"] / m["seconds"] for m in all_]
                rate_of = lambda m: m["records"] / m["seconds"]  # noqa: E731
                ratio = middle([r / rate_of(b) for r, b in zip(rates, base)])
                beside = ""
                if name == Trio.name and acks == -1:
                    null = results[shape, "null with two followers, keeping", -1]
                    beside = "%.2f, %.2f" % (middle([r / rate_of(b) for r, b in zip(rates, null)]),
                                             middle([m["p50_us"] / b["p50_us"] for m, b in zip(all_, null)]))
                used = middle([m["server_cpu"] * 1e6 / max(m["records"], 1) for m in all_])
                busy = middle([(m["server_cpu"] + m["client_cpu"]) / m["seconds"] for m in all_])
                latency = f"{get('p50_us'):.0f} / {get('p99_us'):.0f}" if get("p50_us") else ""
                bound = "CPUs" if busy >= BUSY * os.cpu_count() else \
                    "disk" if get("disk") / 1e6 >= BUSY * disk_rate else "turns"
                lines.append(["%d B x %d, %d in flight" % shape, f"{name}, acks={acks if acks >= 0 else 'all'}",
                              self.big(middle(rates)), latency, f"{used:.3f}", f"{busy:.2f}",
                              f"{get('disk') / 1e6:.0f}", bound, f"{ratio:.2f}", beside])
        self.table("Replicated", ["shape", "broker", "msg/s", "p50 / p99 us", "CPU us/msg, all nodes",
                                  "CPUs, with client", "disk MB/s", "bound by", "of one node",
                                  "rate, p50 of null, keeping"], lines)

    def catch_up(self, megabytes):
        """A follower was away while that much was written. From its start until it is in sync."""
        with Trio() as trio:
            topic = create(trio.servers[0].address, "away", 1, 3)
            leader = topic.leaders[0]
            away = next(server for server in trio.servers if server.node_id != leader)
            there = next(server for server in trio.servers if server.node_id == leader)
            away.kill()
            until(lambda: len(Topic(there.address, "away").isr[0]) == 2, ISR_SECONDS, "the follower is not missed")
            size = 0
            while size < megabytes * MIB:
                size += self.produce(trio, topic, "away", (1024, 16, 64, 1), 0.5)["bytes"]
            begin = time.monotonic()
            away.start()
            started = time.monotonic() - begin
            until(lambda: len(Topic(there.address, "away").isr[0]) == 3, ISR_SECONDS, "the follower does not return")
            took = time.monotonic() - begin
        self.table("A follower comes back", ["missed MiB", "until it serves, s", "until in sync, s", "MiB/s"],
                   [[f"{size / MIB:.0f}", f"{started:.2f}", f"{took:.2f}", f"{size / MIB / took:.0f}"]])

    def partitions(self, counts, seconds):
        lines = []
        for count in counts:
            with Trio() as trio:
                begin = time.monotonic()
                topic = create(trio.servers[0].address, "many", count, 3)
                made = time.monotonic() - begin
                time.sleep(1)
                before = cpu(pids_of(trio.servers))
                time.sleep(2)
                idle = (cpu(pids_of(trio.servers)) - before) / 2 / 3
                memory = max(server.memory() for server in trio.servers)
                one = self.produce(trio, topic, "many", (1024, 16, 64, -1), seconds)
                lead = [index for index, node in sorted(topic.leaders.items()) if node == topic.leaders[0]][:100]
                all_ = self.spread(trio, topic, lead, seconds)
            lines.append([count, f"{made:.2f}", f"{idle * 1000:.1f}", f"{memory / MIB:.0f}",
                          self.big(one["records"] / one["seconds"]),
                          f"{self.big(all_['records'] / all_['seconds'])} over {len(lead)}"])
        self.table("Partitions, three replicas each", ["partitions", "made, s", "idle: CPU ms/s per node",
                                                       "memory MiB", "msg/s to one", "msg/s to those of one leader"],
                   lines)

    def spread(self, trio, topic, lead, seconds):
        """A connection to each of these partitions, four frames in flight on each."""
        environment = dict(os.environ, BENCH_PARTITIONS=",".join(map(str, lead)))
        port = topic.ports[topic.leaders[0]]
        return self.numbers([self.tool("bench_wire"), "produce", port, "many", 1024, 16, -1, 4, len(lead), seconds],
                            env=environment)


def run(tools, home, options):
    """`tools` are what run.py shares: tool, numbers, table, big, say."""
    tempfile.tempdir = home
    bench = Bench(*tools)
    rounds = options.rounds or (5 if options.long else 2)
    seconds = options.seconds or (2.0 if options.long else 0.7)
    bench.throughput(home, rounds, seconds)
    bench.catch_up(2048 if options.long else 256)
    bench.partitions((1, 100, 2000) if options.long else (1, 100), seconds)
