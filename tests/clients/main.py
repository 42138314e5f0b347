"""Runs the suites of real clients, several at a time, each against a server of its own.

    run [--against HOST:PORT] [--list] [SUITE...]

--against names a broker that is there already, such as Apache Kafka: so the expectations themselves are tested."""
import argparse
import concurrent.futures
import os
import shutil
import subprocess
import sys
import threading
import time

import bad_input
import bad_start
import clusters
import compaction
import exporter
import failover
import group_clients
import groups
import kcat
import kills
import moves
import observers
import packages
import replication
import quorum
import segments
import soak
import strangers
from packages import Absent
from server import Failure, Server

HERE = os.path.dirname(os.path.abspath(__file__))
CLIENTS = os.environ.get("CHRONIK_CLIENTS", os.path.join(HERE, "..", "..", "zig-out", "clients"))
PROGRAM_SECONDS = 180
TOLD = " " * 8  # begins what a program says beside its cases, and everybody is to read
TOGETHER = 3  # suites at a time: most of their time they wait


class Report:
    """A line per case as it ends, and the sum."""

    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.lock = threading.Lock()

    def line(self, text):
        print(text, flush=True)

    def case(self, suite, word, name, why=""):
        with self.lock:
            if word == "passed":
                self.passed += 1
                self.line(f"passed  {suite}: {name}")
            elif word == "skipped":
                self.skipped += 1
                self.line(f"skipped {suite}: {name}{': ' if name else ''}{why}")
            else:
                self.failed += 1
                self.line(f"FAILED  {suite}: {name}: {why}")

    def run(self, suite, name, test, *arguments):
        """One case that is a Python function."""
        begin = time.monotonic()
        try:
            test(*arguments)
        except Absent as absent:
            self.case(suite, "skipped", name, str(absent))
        except Failure as failure:
            self.case(suite, "failed", name, str(failure))
        except Exception as error:  # pylint: disable=broad-except # whatever went wrong is this case's failure
            self.case(suite, "failed", name, f"{type(error).__name__}: {error}")
        else:
            self.case(suite, "passed", f"{name} ({time.monotonic() - begin:.1f} s)")


class External:
    """A broker that is not ours to start or judge."""

    def __init__(self, address):
        self.address = address

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


class Program:
    """A client program: it gets the broker's address, and prints a line per case."""

    def __init__(self, name, command, env=None, flags=(), seconds=PROGRAM_SECONDS):
        self.name, self.command, self.env, self.flags = name, command, env or (lambda: {}), flags
        self.seconds = seconds

    def run(self, report, against):
        try:
            command, env = self.command(), dict(os.environ, **self.env())
        except Absent as absent:
            report.case(self.name, "skipped", "", str(absent))
            return
        try:
            with (External(against) if against else Server(*self.flags)) as server:
                self.talk(report, [*command, server.address], env)
        except Failure as failure:
            report.case(self.name, "failed", "server", str(failure))

    def talk(self, report, command, env):
        process = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, text=True, errors="replace")
        timer = threading.Timer(self.seconds, process.kill)
        timer.start()
        cases, other = 0, []
        for line in process.stdout:
            word, _, rest = line.rstrip("\n").partition(" ")
            if word in ("passed", "failed", "skipped") and rest:
                name, _, why = rest.partition(": ")
                report.case(self.name, word, name, why)
                cases += 1
            elif line.startswith(TOLD):
                report.line(line.rstrip("\n"))
            else:
                other.append(line.rstrip("\n")[:300])
        code = process.wait()
        timed_out = not timer.is_alive()
        timer.cancel()
        if code != 0 or cases == 0:
            why = f"no end within {self.seconds} s" if timed_out else f"exit code {code}"
            report.case(self.name, "failed", "program", f"{why} after {cases} cases: " + "\n".join(other[-15:]))


class Suite:
    """Cases in Python: functions of a server, or of nothing, that raise Failure."""

    def __init__(self, name, run):
        self.name, self.function = name, run

    def run(self, report, against):
        if against:
            report.case(self.name, "skipped", "", "needs a server of its own")
            return
        self.function(report)


def c_program(name):
    def command():
        path = os.path.join(CLIENTS, name)
        if not os.path.exists(path):
            raise Absent("librdkafka-dev is not here, so it was not built")
        return [path]
    return Program(name, command)


def python_program(name):
    return Program(name, lambda: packages.python.get() and [sys.executable, "-B", os.path.join(HERE, f"{name}.py")],
                   lambda: {"PYTHONPATH": os.path.join(packages.python.get(), "lib") + os.pathsep + HERE})


def node_program(name):
    def command():
        packages.need("node")
        place = packages.node.get()
        for file in ("cases.mjs", f"{name}.mjs"):  # node looks for packages beside the program
            shutil.copy(os.path.join(HERE, file), place)
        return ["node", os.path.join(place, f"{name}.mjs")]
    return Program(name, command)


def java_program(name, kept):
    def command():
        packages.need("java")
        place = kept.get()
        return ["java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp",
                os.path.join(place, "lib", "*") + os.pathsep + os.path.join(place, "classes"), "JavaClient"]
    return Program(name, command)


def java_tools():
    packages.need("java")
    packages.java.get()
    return [sys.executable, "-B", os.path.join(HERE, "java_tools.py")]


SUITES = [  # those that take longest first
    Suite("clusters", clusters.run),
    Suite("groups", groups.run),
    Suite("group clients", group_clients.run),
    Suite("replication", replication.run),
    Suite("kills", kills.run),
    Suite("moves", moves.run),
    Suite("observers", observers.run),
    Suite("quorum", quorum.run),
    Suite("failover", failover.run),
    Suite("strangers", strangers.run),
    Program("soak", lambda: [sys.executable, "-B", soak.__file__], seconds=600 + soak.MINUTES * 60),
    Program("namespaces", lambda: [sys.executable, "-B", os.path.join(HERE, "namespaces.py")]),
    java_program("java", packages.java),
    Program("java_tools", java_tools),
    Suite("bad input", bad_input.run),
    c_program("librdkafka"),
    Suite("bad start", bad_start.run),
    java_program("java-newest", packages.java_newest),
    Suite("segments", segments.run),
    Suite("compaction", compaction.run),
    Suite("exporter", exporter.run),
    python_program("confluent_client"),
    python_program("kafka_python"),
    python_program("aiokafka_client"),
    node_program("kafkajs"),
    node_program("platformatic"),
    c_program("librdkafka_topics"),
    Program("commands", lambda: [sys.executable, "-B", os.path.join(HERE, "commands.py")]),
    Program("kcat", lambda: packages.need("kcat") or [sys.executable, "-B", kcat.__file__]),
]


def main():
    parser = argparse.ArgumentParser(prog="tests/clients/run", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", metavar="HOST:PORT")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("suites", nargs="*", metavar="SUITE")
    options = parser.parse_args()
    if options.list:
        print("\n".join(suite.name for suite in SUITES))
        return 0
    wanted = [suite for suite in SUITES if not options.suites or suite.name in options.suites]
    if not wanted:
        parser.error("no such suite")
    report = Report()
    with concurrent.futures.ThreadPoolExecutor(TOGETHER) as pool:
        running = {pool.submit(suite.run, report, options.against): suite for suite in wanted}
        for done in concurrent.futures.as_completed(running):
            if done.exception() is not None:
                report.case(running[done].name, "failed", "suite", repr(done.exception()))
    print(f"{report.passed} passed, {report.failed} failed, {report.skipped} skipped", flush=True)
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
