"""Kafka's own tool reads our segments and indexes."""
import glob
import os
import subprocess
import time

import packages
import wire
from server import Server, require

TOPIC = "segments"
RECORDS = 3000
DUMP = "kafka.tools.DumpLogSegments"


def dump(*arguments):
    place = packages.java.get()
    done = subprocess.run(["java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp",
                           os.path.join(place, "lib", "*"), DUMP, *arguments], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120, check=False)
    text = done.stdout.decode(errors="replace")
    require(done.returncode == 0, f"{DUMP} {' '.join(arguments)}: {text[-500:]}")
    return text


def fill(server):
    """Timestamps that go back and forth, so that a time index has to think; segments of 1 MiB."""
    with wire.Link(server.address) as link:
        topic = wire.string(TOPIC) + wire.struct.pack(">ih", 1, 1) + wire.array([])
        topic += wire.array([wire.string("segment.bytes") + wire.string("1048576")])
        request = wire.request(wire.CREATE_TOPICS, 0, wire.array([topic]) + wire.struct.pack(">i", 10000))
        require(wire.create_result(link.ask(request)) == 0, "create")
        begin = int(time.time() * 1000) - RECORDS * 1000
        for number in range(RECORDS):
            at = begin + number * 1000 - (number % 7) * 5000
            data = wire.batch([b"%06d" % number + b"." * 1200], timestamps=(at, at))
            error, offset = wire.produce_result(link.ask(wire.produce(TOPIC, data)))
            require((error, offset) == (0, number), f"produce {number}: error {error}, offset {offset}")


def check(server):
    logs = sorted(path for path in glob.glob(server.data + "/wal/**/*.log", recursive=True) if TOPIC in path)
    require(len(logs) >= 3, f"{len(logs)} segments of 1 MiB for {RECORDS * 1280} bytes")
    text = dump("--files", ",".join(logs), "--deep-iteration")
    offsets = [int(line.split("offset: ")[1].split()[0]) for line in text.splitlines() if line.startswith("| offset")]
    require(offsets == list(range(RECORDS)), f"{len(offsets)} records are seen, {RECORDS} were written")
    require("isvalid: false" not in text, "a batch is not valid")
    for end in (".index", ".timeindex"):
        files = [path[:-len(".log")] + end for path in logs]
        require(all(os.path.exists(path) for path in files), f"a segment without {end}")
        text = dump("--files", ",".join(files), "--index-sanity-check")
        require(text.count("passed sanity check") == len(files), text[-500:])
        text = dump("--files", ",".join(files))
        for bad in ("Mismatch", "not found", "Found", "out of order", "Exception"):
            require(bad not in text, f"{end}: {text[-800:]}")


def segments(clean):
    server = Server()
    try:
        fill(server.start())
        if clean:
            server.stop()
        else:
            server.kill()
            server.start().stop()
        check(server)
    finally:
        server.close()


def run(report):
    report.run("segments", "Kafka reads them after a clean stop", segments, True)
    report.run("segments", "Kafka reads them after a recovery", segments, False)
