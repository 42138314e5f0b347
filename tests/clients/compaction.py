"""A compacted topic, as kcat writes and reads it; and its files, as Kafka's own tool reads them."""
import glob
import json
import re
import subprocess

import packages
import segments
import wire
from server import Server, require, until

TOPIC = "compacted"
KEYS, ROUNDS, SECONDS = 50, 40, 60
CONFIGS = {"cleanup.policy": "compact", "segment.bytes": "65536", "min.cleanable.dirty.ratio": "0.1",
           "delete.retention.ms": "0"}


def kcat(server, *arguments, data=""):
    packages.need("kcat")
    done = subprocess.run(["kcat", "-b", server.address, "-t", TOPIC, *arguments], input=data.encode(),
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=SECONDS, check=False)
    require(done.returncode == 0, f"kcat {' '.join(arguments)}: exit code {done.returncode}: {done.stderr[-300:]}")
    return done.stdout.decode()


def create(server):
    with wire.Link(server.address) as link:
        require(wire.create_result(link.ask(wire.create_topic(TOPIC, configs=CONFIGS.items()))) == 0, "create")


def value_of(number, key):
    return f"{number}-{key}-" + "." * 150


def write(server, number, codec):
    lines = "".join(f"k{key}:{value_of(number, key)}\n" for key in range(KEYS))
    kcat(server, "-P", "-K", ":", "-z", codec, "-X", "enable.idempotence=true", data=lines)


def read(server):
    said = kcat(server, "-C", "-o", "beginning", "-e", "-q", "-J", "-X", "check.crcs=true")
    return [json.loads(line) for line in said.splitlines()]


def fill(server):
    """What is written again and again; at the end a key is deleted, and so much is written that all of it is in
    segments that were closed."""
    for number in range(ROUNDS):
        write(server, number, ("none", "gzip", "snappy", "lz4", "zstd")[number % 5])
    kcat(server, "-P", "-K", ":", "-Z", data="gone:it was there\n")
    kcat(server, "-P", "-K", ":", "-Z", data="gone:\n")
    kcat(server, "-P", "-K", ":", "-z", "none", "-X", "batch.size=16384",
         data="".join(f"filler:{'.' * 800}{i}\n" for i in range(300)))


def check(server, compact=True):
    """Offsets are those of the records as they were written, and each key has its last value. After a kill, what was
    compacted behind the last checkpoint is as it was before, for a while."""
    records = read(server)
    offsets = [record["offset"] for record in records]
    require(offsets == sorted(set(offsets)), "offsets do not rise")
    require(not compact or len(records) < KEYS * ROUNDS // 2, f"{len(records)} records are left of {KEYS * ROUNDS}")
    last = {}
    for record in records:
        last[record["key"]] = record["payload"]
        if record["key"].startswith("k"):
            number, key, _ = record["payload"].split("-")
            require(record["offset"] == int(number) * KEYS + int(key), f"{record['payload']} at {record['offset']}")
    for key in range(KEYS):
        require(last.get(f"k{key}") == value_of(ROUNDS - 1, key), f"k{key} is {last.get(f'k{key}')}")
    require(last.get("gone") is None, "a record without a value deletes its key")


def compacted(then=lambda server: None):
    server = Server("--log-cleaner-backoff-ms", "50")
    try:
        server.start()
        create(server)
        fill(server)
        until(lambda: server.metric("chronik_compaction_removed_records_total") >= KEYS * (ROUNDS - 2), SECONDS,
              "nothing is compacted")
        check(server)
        require(server.metric("kafka_log_logcleanermanager_uncleanable_partitions_count") == 0, "it is uncleanable")
        then(server)
    finally:
        server.close()


def kill(server):
    server.kill()
    server.start()
    check(server, compact=False)
    server.stop()


def dump(server):
    server.stop()
    logs = sorted(path for path in glob.glob(server.data + "/wal/**/*.log", recursive=True) if TOPIC in path)
    require(any(re.search(r"/[0-9]{20}\.[0-9]+\.log$", path) for path in logs), f"no new edition: {logs}")
    text = segments.dump("--files", ",".join(logs), "--deep-iteration")
    require("isvalid: false" not in text, "a batch is not valid")


def run(report):
    report.run("compaction", "each key has its last value, at its offset", compacted)
    report.run("compaction", "and after a kill", compacted, kill)
    report.run("compaction", "Kafka reads its segments", compacted, dump)
