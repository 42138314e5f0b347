"""A Prometheus exporter of consumer groups, as it is: it reads __consumer_offsets itself, as Kafka lays it out.

Its figures of lag need ListOffsets 0, which no broker has had since Kafka 4 (KIP-896); what is committed does not."""
import os
import re
import subprocess
import sys
import urllib.request

import packages
from server import HOST, Server, free_port, require, until

SECONDS = 60
COMMITTED = re.compile(r'^kafka_consumer_group_offset\{group="exported",partition="0",topic="exported"\} 3\.0$', re.M)


def kcat(server, *arguments, data=""):
    packages.need("kcat")
    done = subprocess.run(["kcat", "-b", server.address, *arguments], input=data.encode(), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=SECONDS, check=False)
    require(done.returncode == 0, f"kcat {' '.join(arguments)}: exit code {done.returncode}: {done.stderr[-300:]}")
    return done.stdout.decode()


def page(port):
    try:
        with urllib.request.urlopen(f"http://{HOST}:{port}/metrics", timeout=5) as answer:
            return answer.read().decode()
    except OSError:
        return ""


def offsets_are_exported():
    if sys.version_info >= (3, 12):
        raise packages.Absent("the exporter's client needs a Python before 3.12")
    place, port = packages.exporter.get(), free_port()
    with Server() as server:
        kcat(server, "-P", "-t", "exported", data="a\nb\nc\n")
        said = kcat(server, "-G", "exported", "-X", "auto.offset.reset=earliest", "-c", "3", "-q", "exported")
        require(said == "a\nb\nc\n", f"kcat -G: {said}")
        program = os.path.join(place, "lib", "bin", "prometheus-kafka-consumer-group-exporter")
        exporter = subprocess.Popen([sys.executable, "-B", program, "--bootstrap-brokers", server.address, "--port",
                                     str(port), "--from-start"], env=dict(os.environ, PYTHONPATH=place + "/lib"),
                                    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            until(lambda: COMMITTED.search(page(port)), SECONDS, "the exporter shows what is committed")
        finally:
            exporter.kill()
            exporter.wait()


def run(report):
    report.run("exporter", "what is committed, and kcat -G", offsets_are_exported)
