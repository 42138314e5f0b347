"""Many consumer groups with many committed offsets: memory, durable commits a second, and how long groups are without
a coordinator when theirs is killed."""
import struct
import time

import wire
from replicated import Single, Trio
from server import HOST, Failure, until

MIB = 1 << 20
GROUPS, PARTITIONS, CONNECTIONS = 5000, 200, 32
TOPIC = "committed"
LOAD_SECONDS = 120


def name_of(number):
    return f"group-{number:05d}"


class Frames:
    """One OffsetCommit of all partitions; groups differ by a name of one size."""

    def __init__(self, offset):
        self.offset = offset
        self.whole = self.build(name_of(0))
        self.at = self.whole.index(name_of(0).encode())

    def build(self, name):
        partitions = [struct.pack(">iq", index, self.offset) + wire.string("") for index in range(PARTITIONS)]
        body = wire.string(name) + struct.pack(">i", -1) + wire.string("") + struct.pack(">q", -1)
        return wire.request(8, 2, body + wire.array([wire.string(TOPIC) + wire.array(partitions)]))

    def of(self, number):
        name = name_of(number).encode()
        return self.whole[:self.at] + name + self.whole[self.at + len(name):]


GOOD = wire.array([wire.string(TOPIC) + wire.array([struct.pack(">ih", index, 0) for index in range(PARTITIONS)])])


def coordinators(servers):
    """Ports by group, asked of any node that is there; groups without a coordinator are left out."""
    found = {}
    for server in servers:
        if not server.is_alive():
            continue
        with wire.Link(server.address, 60) as link:
            for number in range(GROUPS):
                error, port = coordinator(link.ask(wire.find_coordinator(name_of(number))))
                if error == 0:
                    found[number] = port
        return found
    return found


def coordinator(answer):
    """Of FindCoordinator 0: error, port."""
    error, _, size = struct.unpack_from(">hih", answer)
    return error, struct.unpack_from(">i", answer, 8 + max(size, 0))[0]


def commit_all(found, offset):
    """Every group commits all partitions, over a few connections to each coordinator. Seconds."""
    frames, work = Frames(offset), {}
    for number, port in found.items():
        work.setdefault(port, []).append(frames.of(number))
    links = {port: [wire.Link(f"{HOST}:{port}", 60) for _ in range(CONNECTIONS)] for port in work}
    begun = time.monotonic()
    while any(work.values()):
        asked = []
        for port, left in work.items():
            for link in links[port][:len(left)]:
                link.send(left.pop())
                asked.append(link)
        for link in asked:
            answer = link.answer()[1]
            if answer != GOOD:
                raise Failure(f"a commit is refused: {answer[:40]}")
    seconds = time.monotonic() - begun
    for of_port in links.values():
        for link in of_port:
            link.socket.close()
    return seconds


def is_served(servers, number, offset):
    """By whoever a living node names as its coordinator."""
    for server in servers:
        if not server.is_alive():
            continue
        try:
            with wire.Link(server.address, 5) as link:
                error, port = coordinator(link.ask(wire.find_coordinator(name_of(number))))
            if error != 0:
                return False
            with wire.Link(f"{HOST}:{port}", 5) as link:
                asked = wire.offset_fetch(name_of(number), TOPIC, [PARTITIONS - 1])
                shown = wire.offset_fetch_result(link.ask(asked))
            return shown is not None and shown[PARTITIONS - 1] == offset
        except (OSError, wire.Closed):
            return False
    return False


def measure(make):
    with make() as nodes:
        servers = nodes.servers
        with wire.Link(servers[0].address, 60) as link:
            if wire.create_result(link.ask(wire.create_topic(TOPIC, PARTITIONS, 1))) != 0:
                raise Failure("no topic")
        until(lambda: len(coordinators(servers)) == GROUPS, LOAD_SECONDS, "not every group has a coordinator")
        until(lambda: is_served(servers, 0, -1), LOAD_SECONDS, "no coordinator serves")
        found = coordinators(servers)
        before = sum(memory(server) for server in servers)
        first = commit_all(found, 1)
        used = sum(memory(server) for server in servers) - before
        again = min(commit_all(found, 2 + turn) for turn in range(2))
        lost = max(set(found.values()), key=list(found.values()).count)
        sample = [number for number in range(0, GROUPS, GROUPS // 100) if found[number] == lost]
        victim = next(server for server in servers if server.port == lost)
        victim.kill()
        begun = time.monotonic()
        if len(servers) == 1:
            victim.start()
        waits = []
        for number in sample:
            until(lambda of=number: is_served(servers, of, 3), LOAD_SECONDS, f"{name_of(number)} has no coordinator")
            waits.append(time.monotonic() - begun)
        return [nodes.name, GROUPS * PARTITIONS / first, GROUPS * PARTITIONS / again, used / MIB, waits[0], waits[-1]]


def memory(server):
    with open(f"/proc/{server.process.pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * 4096


def run(tools):
    _, _, table, big, _ = tools
    rows = []
    for make in (Single, Trio):
        name, first, again, used, soonest, all_of_them = measure(make)
        rows.append([name, big(first), big(again), f"{used:.0f}", f"{soonest:.2f}", f"{all_of_them:.2f}"])
    table(f"{GROUPS} groups, {PARTITIONS} partitions each; {CONNECTIONS} connections to each coordinator",
          ["", "first commits/s", "later commits/s", "MiB", "first group s", "all groups s"], rows)
