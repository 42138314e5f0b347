"""Clusters as people run them: the quick start, growing and shrinking, and what breaks."""
import json
import os
import random
import shutil
import statistics
import subprocess
import time

import wire
from cluster import HOST, REST_SECONDS, Administrator, Cluster, Node
from server import Failure, require, until

KILLS = int(os.environ.get("CHRONIK_CLUSTER_KILLS", "30"))


class Configured(Node):
    """A node started as the README says: by a file, with nothing on the command line but its place."""

    def command(self, *more):
        seeds = ", ".join(f'"{seed.node_id}@{seed.node_address}"' for seed in self.seeds)
        path = os.path.join(self.home, "chronik.toml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(f'[server]\nkafka_addr = "{self.address}"\nadmin_addr = "{HOST}:{self.admin_port}"\n'
                       f'[cluster]\nenabled = true\nnode_id = {self.node_id}\n'
                       f'node_addr = "0.0.0.0:{self.node_port}"\nadvertised_node_addr = "{self.node_address}"\n'
                       f'wal_addr = "0.0.0.0:{self.wal_port}"\nseed_nodes = [{seeds}]\n')
        return [self.binary, "cluster", "--config", path, "--data-dir", self.data, *more]


def quick_start():
    cluster = Cluster(0)
    for number in (1, 2, 3):
        cluster.nodes[number] = Configured(number, list(cluster.nodes.values()))
    with cluster:
        for node in cluster.nodes.values():
            status, text = node.get("/admin/cluster/members")
            require(status == 200, f"members: {status} {text}")
            members = json.loads(text)
            require([member["node_id"] for member in members] == [1, 2, 3], text)
            require(all(set(member) >= {"node_id", "addr", "state"} for member in members), text)
            code, said = node.order("members")
            require(code == 0 and "leader" in said, said)
        for node in cluster.nodes.values():
            with wire.Link(node.address) as link:
                error = wire.create_result(link.ask(wire.create_topic(f"quick.{node.node_id}", 3)))
                require(error == 0, f"create at node {node.node_id}: error {error}")
        until(lambda: all(names_of(node) >= {"quick.1", "quick.2", "quick.3"} for node in cluster.nodes.values()),
              REST_SECONDS, "every node knows every topic")


        expect_metrics(cluster)


def expect_metrics(cluster):
    """What an operator needs to see of the group that keeps the metadata; the leader sees the others."""
    leader = cluster.leader()
    for node in cluster.nodes.values():
        text = node.get("/metrics")[1]
        mine = f'node_id="{node.node_id}"'
        values = dict(line.rsplit(" ", 1) for line in text.splitlines() if line.startswith("raft_"))
        require(values[f"raft_voters{{{mine}}}"] == "3" and values[f"raft_learners{{{mine}}}"] == "0", "voters")
        require(f"chronik_fenced_brokers{{{mine}}} 0" in text, "fenced brokers")
        for name in ("snapshots_taken_total", "snapshots_sent_total", "snapshots_installed_total", "snapshot_bytes"):
            require(f"raft_{name}{{{mine}}}" in values, name)
        peers = {name.split('peer_id="')[1][:-2]: int(value) for name, value in values.items()
                 if name.startswith("raft_peer_lag_entries")}
        others = {str(other) for other in cluster.nodes if other != node.node_id}
        require(set(peers) == (others if node is leader else set()), f"node {node.node_id} sees {peers}")
        require(all(lag < 100 for lag in peers.values()), f"lags {peers}")
        name = "raft_commit_latency_seconds"
        buckets = [int(value) for key, value in values.items() if key.startswith(f"{name}_bucket{{{mine}")]
        count = int(values[f"{name}_count{{{mine}}}"])
        require(buckets == sorted(buckets) and buckets[-1] == count, f"a histogram of {buckets}, {count}")
        require(node is not leader or (count > 0 and float(values[f"{name}_sum{{{mine}}}"]) > 0), "commits take time")


def names_of(node):
    try:
        with wire.Link(node.address, 5) as link:
            text = link.ask(wire.metadata(None)).decode("latin-1")
        return {word for word in ("quick.1", "quick.2", "quick.3") if word in text}
    except (OSError, wire.Closed):
        return set()


def grow_and_shrink():
    """1 -> 2 -> 3 -> 5 -> 3 -> 2 -> 1, and a client that notices nothing."""
    with Cluster(1) as cluster:
        with Administrator(cluster) as administrator:
            for size in (2, 3, 4, 5):
                cluster.add()
                cluster.settle()
                progress(administrator)
                require("from single-node to cluster mode" in cluster.nodes[1].log(), "the first node tells of it")
            for size in (4, 3, 2, 1):
                leave(cluster, max(cluster.nodes))
                require(len(cluster.nodes) == size, "sizes")
                cluster.settle()
                progress(administrator)
        administrator.judge(cluster)
        until(lambda: "from cluster to single-node mode" in cluster.nodes[1].log(), REST_SECONDS, "and of its end")
        code, said = cluster.nodes[1].order("remove-node", "1")
        require(code == 1 and "is the last one" in said, f"the last one goes: {said}")
        cluster.add()
        cluster.settle()


def unsafe_removals():
    """Of two nodes one decides. With the other one gone it is needed, whatever is ordered."""
    with Cluster(2) as cluster:
        leader = cluster.leader()
        other = next(node for node in cluster.nodes.values() if node is not leader)
        other.kill()
        time.sleep(1)  # a node that does not answer for less is not missed
        for words in ((str(leader.node_id),), (str(leader.node_id), "--force")):
            code, said = leader.order("remove-node", *words)
            require(code == 1 and "too few can be reached" in said, f"remove-node {words}: {said}")
        make_topic(leader, "goes.on")
        other.start()
        cluster.settle()


def progress(administrator):
    made = administrator.made
    until(lambda: administrator.made > made + 5, REST_SECONDS, "topics can be made")


def leave(cluster, node_id):
    """A node is removed: it says goodbye by itself, cleanly."""
    node = cluster.nodes[node_id]
    asked = next(other for other in cluster.alive if other is not node)

    def removed():
        code, said = asked.order("remove-node", str(node_id))
        told = code == 0 or any(word in said for word in ("again", "leader", "no member"))
        require(told, f"remove-node {node_id}: {said}")
        return node.process.poll() is not None
    until(removed, REST_SECONDS, f"node {node_id} ends after its removal")
    until(lambda: [code for code, said in [asked.order("remove-node", str(node_id))] if "no member" in said] == [1],
          REST_SECONDS, "who asks once more is told that there is no such node")
    require(node.process.returncode == 0, f"the removed node ended with {node.process.returncode}: {node.log()[-800:]}")
    cluster.forget(node_id)


def leaders_die(seed):
    """kill -9 and SIGSTOP of whoever leads, again and again; how long nothing could be changed."""
    dice = random.Random(seed)
    outages = []
    with Cluster(3) as cluster:
        try:
            with Administrator(cluster) as administrator:
                for _ in range(KILLS):
                    outages.append(depose(cluster, administrator, dice))
            cluster.settle(REST_SECONDS)
            administrator.judge(cluster)
        except Failure as failure:
            raise Failure(f"{failure} (seed {seed}){cluster.logs()}") from None
    return f"median {statistics.median(outages) * 1000:.0f} ms, longest {max(outages) * 1000:.0f} ms"


def depose(cluster, administrator, dice):
    cluster.settle(REST_SECONDS)
    progress(administrator)
    victim = cluster.leader()
    paused = dice.random() < 0.4
    began = time.monotonic()
    if paused:
        victim.pause()
    else:
        victim.kill()
    made = administrator.made
    until(lambda: administrator.made > made, REST_SECONDS, "topics can be made without the old leader")
    outage = time.monotonic() - began
    if paused:
        victim.go_on()
    else:
        victim.start()
    return outage


def minority_refuses():
    with Cluster(3) as cluster:
        leader = cluster.leader()
        for node in cluster.alive:
            if node is not leader:
                node.pause()
        with wire.Link(leader.address, 30) as link:
            error = wire.create_result(link.ask(wire.create_topic("minority", 1)))
        require(error == 7, f"a minority answers {error}, not REQUEST_TIMED_OUT")
        for node in cluster.alive:
            node.go_on()
        cluster.settle(REST_SECONDS)


def wiped_node_returns():
    with Cluster(3) as cluster:
        victim = next(node for node in cluster.alive if node is not cluster.leader())
        victim.kill()
        shutil.rmtree(victim.data)
        victim.start()
        cluster.settle(REST_SECONDS)


def starts_in_vain(node):
    """Its exit code, when it ends by itself."""
    with open(node.log_path, "ab") as log:
        node.process = subprocess.Popen(node.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    until(lambda: node.process.poll() is not None, REST_SECONDS, f"node {node.node_id} ends by itself")
    return node.process.returncode


def an_older_disk_is_found_out():
    """A copy of a node's directory is put back that lacks what the node acknowledged since."""
    with Cluster(3) as cluster:
        victim = next(node for node in cluster.alive if node is not cluster.leader())
        copy = victim.data + ".copy"
        with wire.Link(cluster.leader().address, 30) as link:
            shutil.copytree(victim.data, copy)  # while it runs: as a snapshot of a machine would be
            for number in range(20):
                require(wire.create_result(link.ask(wire.create_topic(f"later.{number}", 1))) == 0, "a topic")
        cluster.settle(REST_SECONDS)
        leader = cluster.leader()
        victim.kill()
        shutil.rmtree(victim.data)
        os.rename(copy, victim.data)
        code = starts_in_vain(victim)
        require(code == 7 and "older copy of what it was" in victim.log(), f"ended with {code}: {victim.log()[-800:]}")
        line = f"node {victim.node_id} lacks metadata entries"
        until(lambda: line in leader.log(), REST_SECONDS, "the leader says so")
        require(starts_in_vain(victim) == 7, "it knows by itself")
        shutil.rmtree(victim.data)
        victim.start()
        cluster.settle(REST_SECONDS)


def a_double_is_refused():
    """Two nodes under one id: the second waits, and both sides say why."""
    with Cluster(2) as cluster:
        double = Node(2, [cluster.nodes[1]])
        try:
            with open(double.log_path, "ab") as log:
                double.process = subprocess.Popen(double.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            until(lambda: "is there already" in double.log(), REST_SECONDS, "the second node 2 says that it is refused")
            until(lambda: "is there already" in cluster.nodes[1].log(), REST_SECONDS, "the leader says that it refuses")
            require(double.get("/health")[0] == 503, "the second node 2 serves")
        finally:
            double.kill()
            double.close()
        cluster.settle()
        # When the first one is gone for good, the second takes its place.
        cluster.nodes[2].kill()
        cluster.nodes[2] = double = Node(2, [cluster.nodes[1]])
        double.start()
        cluster.settle(REST_SECONDS)


def lose_all_but(cluster, survivor):
    """The others are killed. Their disks are kept, under a name of their own."""
    lost = [node for node in cluster.nodes.values() if node is not survivor]
    for node in lost:
        node.kill()
    return lost


def expect_no_decision(node):
    """Two of three are gone: nothing is decided."""
    with wire.Link(node.address, 40) as link:
        error = wire.create_result(link.ask(wire.create_topic("never", 1)))
    require(error == 7, f"without a majority: error {error}, not REQUEST_TIMED_OUT")


def grow_back(cluster, survivor, lost):
    """The survivor has the cluster; the others come with their old disks and are refused, then with empty ones."""
    with wire.Link(survivor.address, 30) as link:
        names = link.ask(wire.metadata(None)).decode("latin-1")
        require("before" in names, "what was there before is there")
        error = wire.create_result(link.ask(wire.create_topic("alone", 2)))
        require(error == 0, f"it decides alone: error {error}")
        require(wire.create_result(link.ask(wire.create_topic("before", 1))) == 36, "what was there is known")
    require(survivor.members() == {survivor.node_id: "leader"}, f"alone: {survivor.members()}")
    for node in lost:
        with open(node.log_path, "ab") as log:
            node.process = subprocess.Popen(node.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    for node in lost:
        code = node.process.wait(REST_SECONDS)
        require(code in (0, 7), f"node {node.node_id}, with its old disk, ended with {code}")
        require("recovered without this node" in node.log() or "removed from the cluster" in node.log(),
                f"and says why: {node.log()[-600:]}")
    require(survivor.members() == {survivor.node_id: "leader"}, f"still alone: {survivor.members()}")
    for node in lost:
        shutil.rmtree(node.data)
        node.seeds = [survivor]
        node.start()
    cluster.settle(REST_SECONDS)
    for node in cluster.nodes.values():
        with wire.Link(node.address) as link:
            until(lambda link=link: "alone" in link.ask(wire.metadata(None)).decode("latin-1"), REST_SECONDS,
                  "everybody knows what was made meanwhile")


def make_topic(node, name):
    with wire.Link(node.address) as link:
        error = wire.create_result(link.ask(wire.create_topic(name, 3)))
        require(error == 0, f"create {name}: error {error}")


def survivor_recovers():
    """Two of three are lost for ever; the third, stopped, is made a cluster of its own, and grows again."""
    with Cluster(3) as cluster:
        make_topic(cluster.nodes[1], "before")
        survivor = next(node for node in cluster.alive if node is not cluster.leader())
        lost = lose_all_but(cluster, survivor)
        expect_no_decision(survivor)
        survivor.kill()
        done = subprocess.run([survivor.binary, "cluster", "recover", "--data-dir", survivor.data], check=False,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
        said = done.stdout.decode(errors="replace")
        require(done.returncode == 0, f"recover ended with {done.returncode}: {said}")
        require("only member of its cluster now" in said, said)
        survivor.start()
        grow_back(cluster, survivor, lost)


def survivor_is_promoted():
    """The same without stopping it: an order to the node that is left."""
    with Cluster(3) as cluster:
        make_topic(cluster.nodes[1], "before")
        survivor = cluster.leader()
        code, said = survivor.order("promote")
        require(code == 1 and "nothing is lost" in said, f"promoted in a whole cluster: {said}")
        lost = lose_all_but(cluster, survivor)
        expect_no_decision(survivor)
        until(lambda: "cluster of its own" in survivor.order("promote")[1], REST_SECONDS, "it is promoted")
        until(lambda: survivor.members() == {survivor.node_id: "leader"} and survivor.is_ready(), REST_SECONDS,
              "it is back, alone")
        require("was ordered to go on alone" in survivor.log(), "the log tells of it")
        grow_back(cluster, survivor, lost)


def nothing_to_recover():
    with Cluster(1) as cluster:
        place = os.path.join(cluster.nodes[1].home, "empty")
        done = subprocess.run([cluster.nodes[1].binary, "cluster", "recover", "--data-dir", place], check=False,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
        said = done.stdout.decode(errors="replace")
        require(done.returncode == 1 and "nothing to recover" in said, f"{done.returncode}: {said}")
        done = subprocess.run([cluster.nodes[1].binary, "cluster", "recover", "--data-dir", cluster.nodes[1].data],
                              check=False, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=60)
        said = done.stdout.decode(errors="replace")
        require(done.returncode == 1 and "another chronik-server" in said, f"{done.returncode}: {said}")


def run(report):
    report.run("clusters", "quick start", quick_start)
    report.run("clusters", "1 to 5 nodes and back", grow_and_shrink)
    report.run("clusters", "two nodes refuse unsafe removals", unsafe_removals)
    report.run("clusters", f"{KILLS} leaders lost", leaders_die, random.randrange(1 << 32))
    report.run("clusters", "a minority refuses", minority_refuses)
    report.run("clusters", "a wiped node returns", wiped_node_returns)
    report.run("clusters", "an older disk is found out", an_older_disk_is_found_out)
    report.run("clusters", "a survivor recovers", survivor_recovers)
    report.run("clusters", "a survivor is promoted", survivor_is_promoted)
    report.run("clusters", "nothing to recover", nothing_to_recover)
    report.run("clusters", "a double is refused", a_double_is_refused)
