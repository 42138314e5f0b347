"""Voters of a cluster of four, as Kafka's own tools show and change them."""
import os
import re
import tempfile

import packages
from cluster import REST_SECONDS, Cluster
from java import tool
from server import Failure, require, until

QUORUM, CLUSTER = "org.apache.kafka.tools.MetadataQuorumCommand", "org.apache.kafka.tools.ClusterTool"


class Quorum:
    """What kafka-metadata-quorum says at one moment."""

    def __init__(self, node):
        said = tool(QUORUM, "--bootstrap-server", node.address, "describe", "--replication")
        self.text = said
        self.rows = {}
        for line in said.splitlines()[1:]:
            words = line.split()
            if len(words) >= 7 and words[0].isdigit():
                self.rows[int(words[0])] = dict(zip(("directory", "end", "lag", "fetched", "caught_up", "status"),
                                                    words[1:]))

    def who_is(self, *states):
        return sorted(node_id for node_id, row in self.rows.items() if row["status"] in states)

    @property
    def voters(self):
        return self.who_is("Leader", "Follower")


def describe(cluster):
    for node in (cluster.nodes[1], cluster.nodes[4]):
        quorum = Quorum(node)
        require(sorted(quorum.rows) == sorted(cluster.nodes), f"not all members: {quorum.text}")
        require(quorum.who_is("Leader") == [cluster.leader().node_id], quorum.text)
        require(len(quorum.voters) == 3 and len(quorum.who_is("Observer")) == 1, quorum.text)
        require(len({row["directory"] for row in quorum.rows.values()}) == len(quorum.rows), quorum.text)
        require(all(int(row["lag"]) <= 2 and int(row["end"]) > 1 for row in quorum.rows.values()), quorum.text)
        require(all(int(row["caught_up"]) > 0 for row in quorum.rows.values()), quorum.text)
    said = tool(QUORUM, "--bootstrap-server", cluster.bootstrap, "describe", "--status")
    require(re.search(rf"LeaderId: +{cluster.leader().node_id}\b", said), said)
    require(re.search(r"MaxFollowerLag: +[0-2]\b", said), said)
    for voter in quorum.voters:
        require(f'"CONTROLLER://{cluster.nodes[voter].node_address}"' in said, said)


def change_voters(cluster):
    """The learner and a voter change places, there and back."""
    before = Quorum(cluster.nodes[1])
    learner = before.who_is("Observer")[0]
    voter = next(voter for voter in before.voters if voter not in before.who_is("Leader"))
    connect = ["--bootstrap-server", cluster.bootstrap]
    directory = before.rows[voter]["directory"]
    said = tool(QUORUM, *connect, "remove-controller", "--controller-id", str(voter), "--controller-directory-id",
                before.rows[learner]["directory"], code=1)
    require("VoterNotFound" in said, f"another directory: {said}")
    tool(QUORUM, *connect, "remove-controller", "--controller-id", str(voter), "--controller-directory-id", directory)
    wanted = sorted({*before.voters, learner} - {voter})
    until(lambda: Quorum(cluster.nodes[1]).voters == wanted, REST_SECONDS, f"{wanted} vote")
    with tempfile.TemporaryDirectory() as place:
        add_controller(connect, place, cluster.nodes[voter], directory, "")
        until(lambda: voter in Quorum(cluster.nodes[1]).voters, REST_SECONDS, f"{voter} votes again")
        require(len(Quorum(cluster.nodes[1]).voters) == 3, "three votes")
        add_controller(connect, place, cluster.nodes[voter], directory, "DuplicateVoter")


def add_controller(connect, place, node, directory, refusal):
    """The tool reads who is to vote from the configuration of a Kafka controller."""
    path = os.path.join(place, "controller.properties")
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"process.roles=controller\nnode.id={node.node_id}\ncontroller.listener.names=CONTROLLER\n"
                   f"listeners=CONTROLLER://{node.node_address}\ncontroller.quorum.bootstrap.servers=127.0.0.1:1\n"
                   f"log.dirs={place}\n")
    with open(os.path.join(place, "meta.properties"), "w", encoding="utf-8") as file:
        file.write(f"version=1\nnode.id={node.node_id}\ndirectory.id={directory}\ncluster.id=any\n")
    said = tool(QUORUM, *connect, "--command-config", path, "add-controller", code=1 if refusal else 0)
    require(refusal in said, said)


def unregister(cluster):
    """A node that is lost is forgotten; one that lives is not."""
    connect = ["--bootstrap-server", cluster.leader().address]
    lost = max(node for node in cluster.nodes if cluster.nodes[node] is not cluster.leader())
    said = tool(CLUSTER, "unregister", *connect, "--id", str(lost), code=1)
    require("InvalidRequest" in said, said)
    cluster.nodes[lost].kill()
    until(lambda: "is no longer registered" in unregister_once(connect, lost), REST_SECONDS, f"{lost} is unregistered")
    cluster.forget(lost)
    cluster.settle(REST_SECONDS)
    said = tool(CLUSTER, "unregister", *connect, "--id", str(lost), code=1)
    require("is not registered" in said or "BrokerIdNotRegistered" in said, said)


def unregister_once(connect, node_id):
    try:
        return tool(CLUSTER, "unregister", *connect, "--id", str(node_id))
    except Failure as failure:
        require("InvalidRequest" in str(failure) or "Timeout" in str(failure), str(failure))
        return ""


def tools():
    packages.need("java")
    packages.java.get()
    with Cluster(4) as cluster:
        describe(cluster)
        change_voters(cluster)
        unregister(cluster)


def run(report):
    report.run("quorum", "Kafka's tools for voters and brokers", tools)
