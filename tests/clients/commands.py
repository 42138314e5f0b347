"""`chronik-server topic ...`, as people type it: against any broker."""
import json
import os
import subprocess
import sys
import time

from cases import require, run, same
from cluster import Cluster

BROKER = sys.argv[1] if len(sys.argv) > 1 else ""
BINARY = os.environ.get("CHRONIK_SERVER", "zig-out/bin/chronik-server")
UNIQUE = os.getpid()
WAIT_SECONDS = 60


def finished(words, data="", bootstrap=None):
    env = dict(os.environ, CHRONIK_BOOTSTRAP=bootstrap or BROKER)
    return subprocess.run([BINARY, *words], input=data.encode(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=WAIT_SECONDS, check=False, env=env)


def topic(verb, *words, data="", bootstrap=None):
    """What it printed; it must have succeeded."""
    done = finished(["topic", verb, *words], data, bootstrap)
    require(done.returncode == 0, f"topic {verb} {words}: exit code {done.returncode}: {done.stderr[-300:]}")
    return done.stdout.decode()


def refused(code, what, *words, bootstrap=None):
    """It ends with that code, and says why in one line on stderr."""
    done = finished(words, "", bootstrap)
    said = done.stderr.decode()
    require(done.returncode == code, f"{words}: exit code {done.returncode}, not {code}: {said}")
    require(what in said and said.count("\n") == 1, f"{words}: it does not say '{what}' in one line: {said}")


def name(of):
    return f"commands.{of}.{UNIQUE}"


def described(of):
    """Once every partition has a leader who says where it begins: with some brokers that takes a moment."""
    for _ in range(300):
        (seen,) = json.loads(topic("describe", name(of), "--json"))
        if all(row["start"] is not None for row in seen["partitions"]):
            break
    return seen


def created_and_described():
    made = json.loads(topic("create", name("made"), "--partitions", "3", "--replication-factor", "1", "--config",
                            "retention.ms=100000", "--json"))
    same([(row["topic"], row["state"]) for row in made], [(name("made"), "created")])
    seen = described("made")
    same(seen["id"], made[0]["id"], "id")
    same(seen["configs"], {"retention.ms": "100000"}, "settings")
    same([(row["partition"], row["start"], row["end"]) for row in seen["partitions"]], [(i, 0, 0) for i in range(3)])
    same([row["isr"] == row["replicas"] == [row["leader"]] for row in seen["partitions"]], [True] * 3, "replicas")
    require(name("made") in topic("list"), "it is listed")
    require("retention.ms=100000" in topic("describe", name("made")), "people see the settings")


def created_once():
    topic("create", name("once"))
    refused(1, "TOPIC_ALREADY_EXISTS", "topic", "create", name("once"))
    (row,) = json.loads(topic("create", name("once"), "--if-not-exists", "--json"))
    same(row["state"], "exists")
    topic("create", name("only_asked"), "--validate-only")
    require(name("only_asked") not in topic("list"), "it was only asked")


def altered():
    topic("create", name("altered"), "--partitions", "1", "--config", "segment.bytes=1048576")
    topic("alter", name("altered"), "--partitions", "4", "--config", "retention.bytes=5000", "--unset", "segment.bytes")
    (seen,) = json.loads(topic("describe", name("altered"), "--json"))
    same(seen["configs"], {"retention.bytes": "5000"})
    same(len(seen["partitions"]), 4)
    refused(1, "INVALID_PARTITIONS", "topic", "alter", name("altered"), "--partitions", "2")
    refused(1, "INVALID_CONFIG", "topic", "alter", name("altered"), "--config", "retention.ms=soon")


def deleted():
    topic("create", name("gone"))
    topic("delete", name("gone"))
    require(name("gone") not in topic("list"), "it is not listed")
    refused(1, "UNKNOWN_TOPIC_OR_PARTITION", "topic", "delete", name("gone"))
    topic("delete", name("gone"), "--if-exists")
    refused(1, "UNKNOWN_TOPIC_OR_PARTITION", "topic", "describe", name("gone"))


def lines_there_and_back():
    topic("create", name("lines"), "--partitions", "1")
    lines = "".join(f"line {i}\n" for i in range(100_000))
    same(json.loads(topic("produce", name("lines"), "--json", data=lines)), {"records": 100_000})
    same(topic("consume", name("lines")), lines)
    same(topic("consume", name("lines"), "--from", "-2"), "line 99998\nline 99999\n", "the last two")
    same(topic("consume", name("lines"), "--from", "5", "--count", "2"), "line 5\nline 6\n", "two from 5")
    same(topic("consume", name("lines"), "--from", "end"), "", "the end")
    same(topic("consume", name("lines"), "--from", "@2000-01-01", "--count", "1"), "line 0\n", "since a day")
    same(topic("consume", name("lines"), "--from", "@4000000000000"), "", "since a day to come")
    topic("produce", name("lines"), data="no newline at the end")
    same(topic("consume", name("lines"), "--from", "-1"), "no newline at the end\n")


def keys_headers_and_nulls():
    topic("create", name("keyed"), "--partitions", "1")
    topic("produce", name("keyed"), "--key-separator", ":", "--null", "NIL", "--header", "one=1", "--header", "two=",
          data="k:v\nNIL:w\nn:NIL\n:\n")
    seen = [json.loads(line) for line in topic("consume", name("keyed"), "--json").splitlines()]
    same([(each["key"], each["value"]) for each in seen], [("k", "v"), (None, "w"), ("n", None), ("", "")])
    same(seen[0]["headers"], [["one", "1"], ["two", ""]])
    same([each["offset"] for each in seen], [0, 1, 2, 3])
    require(abs(seen[0]["timestamp"] / 1000 - time.time()) < 600, "the time")
    same(topic("consume", name("keyed"), "--keys", "--count", "1"), "k\tv\n")
    done = finished(["topic", "produce", name("keyed"), "--key-separator", ":"], "nothing\n")
    require(done.returncode == 1 and b"a line has no key: nothing" in done.stderr, done.stderr)


def every_compression_and_acks():
    topic("create", name("packed"), "--partitions", "1")
    lines, sent = "", 0
    for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
        for acks in ("0", "1", "all"):
            more = "".join(f"a line that compresses well, with {codec} and {acks}: {i}\n" for i in range(300))
            topic("produce", name("packed"), "--compression", codec, "--acks", acks, data=more)
            lines, sent = lines + more, sent + 300
            read = ""
            for _ in range(100):  # with acks=0 nobody says when it is there
                read = topic("consume", name("packed"))
                if len(read) >= len(lines):
                    break
            same(read, lines, f"{codec}, {acks}")


def keys_go_where_java_puts_them():
    """Two keys whose hashes with the Java client's partitioner are known."""
    topic("create", name("placed"), "--partitions", "100")
    known = {"foobar": -790332482, "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971}  # by Kafka's tests
    topic("produce", name("placed"), "--key-separator", ":", data="".join(f"{key}:1\n" for key in known))
    read = [json.loads(line) for line in topic("consume", name("placed"), "--json").splitlines()]
    seen = {each["key"]: each["partition"] for each in read}
    for key, hashed in known.items():
        same(seen[key], (hashed & 0x7FFFFFFF) % 100, key)


def many_partitions():
    topic("create", name("many"), "--partitions", "20")
    lines = sorted(f"{i:06}" for i in range(20_000))
    topic("produce", name("many"), "--key-separator", ":", data="".join(f"{line[4:]}:{line}\n" for line in lines))
    same(sorted(topic("consume", name("many")).split()), lines)
    one = topic("consume", name("many"), "--partition", "3").split()
    (seen,) = json.loads(topic("describe", name("many"), "--json"))
    same(len(one), seen["partitions"][3]["end"])


def large_lines():
    topic("create", name("large"), "--partitions", "1")
    lines = "x" * 900_000 + "\n" + "y" * 700_000 + "\n"
    topic("produce", name("large"), data=lines)
    same(topic("consume", name("large")), lines)
    done = finished(["topic", "produce", name("large")], "z" * 3_000_000 + "\n")
    require(done.returncode == 1 and b"MESSAGE_TOO_LARGE" in done.stderr, done.stderr)


def followed():
    topic("create", name("followed"), "--partitions", "2")
    env = dict(os.environ, CHRONIK_BOOTSTRAP=BROKER)
    with subprocess.Popen([BINARY, "topic", "consume", name("followed"), "--follow", "--count", "3"],
                          stdout=subprocess.PIPE, env=env, text=True) as reader:
        topic("produce", name("followed"), data="one\n")
        same(reader.stdout.readline(), "one\n")
        topic("produce", name("followed"), data="two\nthree\n")
        same(sorted(reader.stdout.read().split()), ["three", "two"])
        same(reader.wait(WAIT_SECONDS), 0, "exit code")


def group(verb, *words):
    done = finished(["group", verb, *words])
    require(done.returncode == 0, f"group {verb} {words}: exit code {done.returncode}: {done.stderr[-300:]}")
    return done.stdout.decode()


def offsets_of_groups():
    """A group's offsets are set, shown, seen by people as lag, and forgotten with it."""
    reset = ("reset-offsets", name("group"), "--topic", name("grouped"))
    topic("create", name("grouped"), "--partitions", "2")
    topic("produce", name("grouped"), "--partition", "1", data="".join(f"{i}\n" for i in range(100)))
    planned = json.loads(group(*reset, "--to", "beginning", "--json"))
    same([(row["partition"], row["before"], row["would_be"]) for row in planned], [(0, None, 0), (1, None, 0)])
    refused(1, "it has committed nothing", "group", "lag", name("group"))
    group("reset-offsets", name("group"), "--topic", f"{name('grouped')}:1", "--to", "90", "--execute")
    seen = json.loads(group("lag", name("group"), "--json"))
    same([(row["committed"], row["end"], row["lag"]) for row in seen], [(None, 0, None), (90, 100, 10)])
    require("nothing is committed of 1 partition" in group("lag", name("group")), "people see what has no offset")
    group(*reset, "--to", "-10", "--execute")
    seen = json.loads(group("lag", name("group"), "--json"))
    same([(row["committed"], row["end"], row["lag"]) for row in seen], [(0, 0, 0), (90, 100, 10)])
    require("10 records are left" in group("lag", name("group")), "people see the sum")
    group("reset-offsets", name("group"), "--topic", f"{name('grouped')}:1", "--to", "50", "--execute")
    same([row["committed"] for row in json.loads(group("lag", name("group"), "--json"))], [0, 50], "one partition")
    group("reset-offsets", name("group"), "--all-topics", "--to", "end", "--execute")
    same([row["lag"] for row in json.loads(group("lag", name("group"), "--json"))], [0, 0], "at the end")
    (listed,) = [row for row in json.loads(group("list", "--json")) if row["group"] == name("group")]
    same(listed["state"], "Empty")
    same(json.loads(group("describe", name("group"), "--json"))[0]["members"], [], "members")
    group("delete", name("group"))
    require(name("group") not in group("list"), "it is forgotten")
    refused(1, "GROUP_ID_NOT_FOUND", "group", "describe", name("group"))
    refused(2, "--to", "group", "reset-offsets", "x", "--all-topics", "--to", "soon")
    refused(2, "--topic", "group", "reset-offsets", "x", "--to", "end")


def members_of_groups():
    """Who is in it, and what he reads; his offsets are his."""
    topic("create", name("shared"), "--partitions", "3")
    topic("produce", name("shared"), data="one\n")
    with subprocess.Popen(["kcat", "-b", BROKER, "-G", name("readers"), "-X", "auto.offset.reset=earliest", "-X",
                           "client.id=reader", "-q", "-u", name("shared")], stdout=subprocess.PIPE) as member:
        same(member.stdout.readline(), b"one\n", "what it read")
        (seen,) = json.loads(group("describe", name("readers"), "--json"))
        same(seen["state"], "Stable")
        same([(one["client"], one["reads"]) for one in seen["members"]], [("reader", f"{name('shared')}:0,1,2")])
        refused(1, "only a group without", "group", "reset-offsets", name("readers"), "--all-topics", "--to", "end")
        refused(1, "NON_EMPTY_GROUP", "group", "delete", name("readers"))
        member.terminate()
        member.wait(WAIT_SECONDS)
    same(sum(row["lag"] or 0 for row in json.loads(group("lag", name("readers"), "--json"))), 0, "it committed")
    group("delete", name("readers"))


def misunderstood():
    refused(2, "there is no command 'make'", "topic", "make", "x")
    refused(2, "there is no flag --partition", "topic", "create", "x", "--partition", "2")
    refused(2, "a value is missing behind --partitions", "topic", "create", "x", "--partitions")
    refused(2, "not a number: many", "topic", "create", "x", "--partitions=many")
    refused(2, "a name is missing", "topic", "describe")
    refused(2, "there is no need of y", "topic", "consume", "x", "y")
    refused(2, "KEY=VALUE is expected", "topic", "create", "x", "--config", "retention.ms")
    refused(2, "none, gzip, snappy, lz4 or zstd", "topic", "produce", "x", "--compression", "rar")
    refused(2, "0, 1 or all", "topic", "produce", "x", "--acks", "2")
    refused(2, "--from", "topic", "consume", "x", "--from", "yesterday")
    refused(2, "':port' is missing", "topic", "list", "--bootstrap", "localhost")
    refused(2, "more than 16", "topic", "list", "--bootstrap", ",".join(["h:1"] * 17))
    refused(1, "Connection refused", "topic", "list", "--bootstrap", "127.0.0.1:1")
    refused(1, "UNKNOWN_TOPIC_OR_PARTITION", "topic", "consume", name("never"))
    refused(1, "topic create makes one", "topic", "produce", name("never"))
    refused(1, "INVALID_REPLICATION_FACTOR", "topic", "create", name("wide"), "--replication-factor", "30")


def explained():
    """What the manual and the shells know is what there is."""
    manual = finished(["man"]).stdout.decode()
    for verb in ("create", "list", "describe", "delete", "alter", "produce", "consume"):
        require(f"topic {verb}" in manual, f"{verb} is in the manual")
        require(finished(["topic", verb, "--help"]).returncode == 0, f"{verb} has help")
    for shell in ("bash", "zsh", "fish"):
        require("consume" in finished(["completion", shell]).stdout.decode(), shell)
    bash = finished(["completion", "bash"]).stdout.decode() + """
        complete_words() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _chronik_server; echo "${COMPREPLY[@]}"; }
        complete_words chronik-server to
        complete_words chronik-server topic de
        complete_words chronik-server topic create x --part
        complete_words chronik-server topic produce x --compression z
        complete_words chronik-server start --data-
        complete_words chronik-server cluster --data-
        complete_words chronik-server cluster recover --data-
        complete_words chronik-server cluster re
        complete_words chronik-server cluster remove-node 2 --f
        chronik-server() { [ "$1 $2" = "group list" ] && printf 'group\nreaders\nothers\n'; }
        complete_words chronik-server group lag re
        """
    same(subprocess.run(["bash", "-c", bash], stdout=subprocess.PIPE, text=True, check=True).stdout.split("\n"),
         ["topic", "describe delete", "--partitions", "zstd", "--data-dir", "--data-dir", "--data-dir",
          "remove-node rebalance recover", "--force", "readers", ""])
    require("--admin" in finished(["completion", "fish"]).stdout.decode(), "flags of cluster in fish")
    refused(2, "no command 'cluster bogus'", "cluster", "bogus")
    helped = finished(["cluster", "recover", "--help"])
    require(helped.returncode == 0 and b"lost for ever" in helped.stdout, helped.stdout)
    require(b"remove-node" in finished(["cluster", "members", "--help"]).stdout, "each has the help of all")
    refused(2, "bash, zsh or fish", "completion", "tcsh")


def a_leader_that_dies():
    """Three nodes: lines go on through the one that takes over, and none is lost or there twice."""
    lines = [f"{i:06}" for i in range(3000)]
    with Cluster(3) as cluster:
        first = cluster.bootstrap
        topic("create", "led", "--partitions", "1", "--replication-factor", "3", "--config", "min.insync.replicas=2",
              bootstrap=first)
        (seen,) = json.loads(topic("describe", "led", "--json", bootstrap=first))
        env = dict(os.environ, CHRONIK_BOOTSTRAP=first)
        with subprocess.Popen([BINARY, "topic", "produce", "led"], stdin=subprocess.PIPE, env=env, text=True) as writer:
            writer.stdin.write("".join(f"{line}\n" for line in lines[:1000]))
            writer.stdin.flush()
            while topic("consume", "led", "--from", "-1", bootstrap=first) == "":
                pass
            cluster.nodes[seen["partitions"][0]["leader"]].kill()
            writer.stdin.write("".join(f"{line}\n" for line in lines[1000:]))
            writer.stdin.close()
            same(writer.wait(WAIT_SECONDS), 0, "exit code")
        same(topic("consume", "led", bootstrap=first).split(), lines)


if __name__ == "__main__":
    run([created_and_described, created_once, altered, deleted, lines_there_and_back, keys_headers_and_nulls,
         every_compression_and_acks, keys_go_where_java_puts_them, many_partitions, large_lines, followed,
         offsets_of_groups, members_of_groups, misunderstood, explained, a_leader_that_dies])
