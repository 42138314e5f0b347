"""How long a cluster's metadata cannot be changed when its leader is lost: killed, so that its connections close, or
stopped, so that they stay open and nothing comes. CHRONIK_FAILOVERS says how often each.

From the loss to the answer of the first change that was asked for after it, at any node that is left. Clients sit at
all nodes; one that hangs at the lost node is not waited for."""
import os
import statistics
import threading
import time

import wire
from cluster import REST_SECONDS, Cluster
from server import require, until

FAILOVERS = int(os.environ.get("CHRONIK_FAILOVERS", "3"))
PACE_SECONDS = 0.004


class Client(threading.Thread):
    """Makes a topic and deletes it again, for ever, at one node. Remembers the last change: when asked, when done."""

    def __init__(self, node):
        super().__init__(daemon=True)
        self.node = node
        self.end = threading.Event()
        self.done = (0.0, 0.0)

    def run(self):
        name, there = f"failover.{self.node.node_id}", False
        while not self.end.is_set():
            try:
                with wire.Link(self.node.address, 1) as link:
                    while not self.end.wait(PACE_SECONDS):
                        asked = time.monotonic()
                        if there:
                            error = wire.delete_result(link.ask(wire.delete_topic(name)))
                        else:
                            error = wire.create_result(link.ask(wire.create_topic(name, 1)))
                        there = there != (error in (0, 3, 36))
                        if error == 0:
                            self.done = (asked, time.monotonic())
            except (OSError, wire.Closed):
                self.end.wait(PACE_SECONDS)


def first_change(clients, lost_at):
    done = [client.done for client in clients]
    times = [end for asked, end in done if asked >= lost_at]
    return min(times) if times else None


def lose_leader(cluster, clients, stops):
    cluster.settle(REST_SECONDS)
    until(lambda: all(time.monotonic() - client.done[1] < 0.5 for client in clients.values()), REST_SECONDS,
          "all nodes take changes")
    victim = cluster.leader()
    others = [client for node_id, client in clients.items() if node_id != victim.node_id]
    lost_at = time.monotonic()
    if stops:
        victim.pause()
    else:
        victim.kill()
    back_at = until(lambda: first_change(others, lost_at), REST_SECONDS, "changes are taken again")
    if stops:
        victim.go_on()
    else:
        victim.start()
    return (back_at - lost_at) * 1000


def measure(stops):
    with Cluster(3) as cluster:
        clients = {node_id: Client(node) for node_id, node in cluster.nodes.items()}
        for client in clients.values():
            client.start()
        try:
            outages = sorted(lose_leader(cluster, clients, stops) for _ in range(FAILOVERS))
        finally:
            for client in clients.values():
                client.end.set()
        require(len(outages) == FAILOVERS, "all of them")
    p99 = outages[max(0, round(len(outages) * 0.99) - 1)]
    return f"median {statistics.median(outages):.0f} ms, p99 {p99:.0f} ms, longest {outages[-1]:.0f} ms"


def run(report):
    for name, stops in (("kill -9", False), ("SIGSTOP", True)):
        said = []
        report.run("failover", f"{FAILOVERS} leaders lost by {name}", lambda stops=stops, said=said:
                   said.append(measure(stops)))
        for line in said:
            report.line(f"        failover by {name}: {line}")
