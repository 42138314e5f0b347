"""What changes of metadata cost: topics made in large requests and one by one, on one node and on three; and what the
metadata of 100,000 partitions takes."""
import datetime
import re
import statistics
import struct
import time

import wire
from cluster import Cluster
from server import Failure

TOPICS, TOGETHER, IN_FLIGHT, SINGLES = 6000, 100, 4, 300
MANY_TOPICS, MANY_PARTITIONS = 1000, 100  # 100,000 partitions
RESTARTS = 3
MIB = 1 << 20


def request(first, count):
    topics = [wire.string(f"batched.{number}") + struct.pack(">ih", 1, 1) + wire.array([]) + wire.array([])
              for number in range(first, first + count)]
    return wire.request(wire.CREATE_TOPICS, 0, wire.array(topics) + struct.pack(">i", 30000))


def results(answer):
    (count,) = struct.unpack_from(">i", answer)
    at = 4
    for _ in range(count):
        (size,) = struct.unpack_from(">h", answer, at)
        (error,) = struct.unpack_from(">h", answer, at + 2 + size)
        at += 4 + size
        if error != 0:
            raise Failure(f"a topic could not be made: error {error}")
    return count


def batched(node):
    """Topics a second, some requests under way on links of their own."""
    links = [wire.Link(node.address, 120) for _ in range(IN_FLIGHT)]
    began, made, asked = time.monotonic(), 0, 0
    for link in links:
        link.send(request(asked, TOGETHER))
        asked += TOGETHER
    while made < TOPICS:
        for link in links:
            made += results(link.answer()[1])
            link.send(request(asked, TOGETHER))
            asked += TOGETHER
    took = time.monotonic() - began
    for link in links:
        link.answer()
        link.socket.close()
    if node.metric("chronik_topics") < made:
        raise Failure("answered, and not there")
    return made / took


def single(node):
    """Milliseconds for one at a time, and syncs of that node meanwhile, for each."""
    times = []
    syncs = node.metric("chronik_disk_sync_seconds_count")
    seconds = node.metric("chronik_disk_sync_seconds_sum")
    with wire.Link(node.address, 60) as link:
        for number in range(SINGLES):
            began = time.monotonic()
            error = wire.create_result(link.ask(wire.create_topic(f"single.{number}")))
            times.append((time.monotonic() - began) * 1000)
            if error != 0:
                raise Failure(f"a topic could not be made: error {error}")
    made = node.metric("chronik_disk_sync_seconds_count") - syncs
    one = (node.metric("chronik_disk_sync_seconds_sum") - seconds) / max(made, 1) * 1000
    return statistics.median(times), statistics.mean(times), made / SINGLES, one


def measure(size):
    with Cluster(size, "--partitions-max", "40000", "--topics-max", "40000") as cluster:
        leader = cluster.leader()
        p50, mean, syncs, one = single(leader)
        other = next((node for node in cluster.nodes.values() if node is not leader), None)
        elsewhere = single_elsewhere(other) if other else None
        return p50, mean, syncs, one, elsewhere, batched(leader)


def single_elsewhere(node):
    times = []
    with wire.Link(node.address, 60) as link:
        for number in range(SINGLES):
            began = time.monotonic()
            link.ask(wire.create_topic(f"elsewhere.{number}"))
            times.append((time.monotonic() - began) * 1000)
    return statistics.median(times)


def said_after(node, began, event):
    """Seconds from `began`, of the wall clock, until the node's log has that event."""
    text = re.search(rf"^(\S+)Z \S+ +{event} ", node.log(), re.M).group(1)
    return datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.timezone.utc).timestamp() - began


def restart(node, has_metadata):
    """Seconds from exec until its metadata log is read, and until it serves; resident MiB."""
    measured = []
    for _ in range(RESTARTS):
        node.stop()
        began = time.time()
        node.start()
        measured.append((said_after(node, began, has_metadata), said_after(node, began, "serving"),
                         node.memory() / MIB))
    return [statistics.median(each) for each in zip(*measured)]


def many():
    """100,000 partitions: a node that has all of them, and one that only knows of them."""
    with Cluster(1, "--partitions-max", "101000", "--topics-max", "2000") as cluster:
        node = cluster.nodes[1]
        with wire.Link(node.address, 120) as link:
            for number in range(MANY_TOPICS):
                error = wire.create_result(link.ask(wire.create_topic(f"many.{number}", MANY_PARTITIONS)))
                if error != 0:
                    raise Failure(f"a topic could not be made: error {error}")
        restart(node, "raft_candidate")  # the first one takes a snapshot along the way
        owner = restart(node, "raft_candidate")
        other = cluster.add()
        cluster.settle()
        return owner, restart(other, "raft_following")


def run(tools):
    tool, numbers, table, _, _ = tools
    lines = []
    for size in (1, 3):
        p50, mean, syncs, one, elsewhere, rate = measure(size)
        nodes = "one node" if size == 1 else f"{size} nodes"
        shape = f"{TOGETHER} in a request, {IN_FLIGHT} requests under way"
        lines.append([f"{nodes}: topics a second, {shape}", f"{rate:,.0f}", ">= 5,000"])
        lines.append([f"{nodes}: one topic at a time at the leader, p50, mean", f"{p50:.2f}, {mean:.2f} ms", ""])
        lines.append([f"{nodes}: ... one of its fdatasyncs meanwhile, mean", f"{one:.2f} ms", ""])
        lines.append([f"{nodes}: ... a topic beside an fdatasync, both means", f"{mean / one:.2f}",
                      "< 2 and a round trip"])
        lines.append([f"{nodes}: ... of the leader's, waited for or not, for each", f"{syncs:.2f}", ""])
        if elsewhere is not None:
            lines.append([f"{nodes}: ... at another node, p50", f"{elsewhere:.2f} ms", ""])
    seen = numbers([tool("bench_metadata")])
    lines.append([f"image of {seen['partitions']:,.0f} partitions", f"{seen['image_mib']:.0f} MiB", "< 200 MiB"])
    lines.append(["... applying a record", f"{seen['apply_us']:.2f} us", ""])
    lines.append(["... its snapshot", f"{seen['snapshot_mib']:.1f} MiB, {seen['write_ms']:.0f} ms to write", ""])
    lines.append(["... loading that", f"{seen['load_ms']:.0f} ms", "< 1 s"])
    owner, other = many()
    for who, (read, served, memory) in (("has them all", owner), ("knows of them", other)):
        lines.append([f"restart of a process that {who}: metadata read, serving",
                      f"{read * 1000:.0f}, {served * 1000:.0f} ms", "< 1 s"])
        lines.append(["... resident", f"{memory:.0f} MiB", ""])
    table("Changes of metadata", ["what", "measured", "aim"], lines)
