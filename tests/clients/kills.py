"""kill -9, again and again, during load: nothing acknowledged is lost, nothing written once is there twice."""
import os
import random
import subprocess
import threading
import time

import wire
from packages import Absent
from server import Failure, Server, Tail, require, until

KILLS = int(os.environ.get("CHRONIK_KILLS", "50"))
PROGRESS_SECONDS = 30
END_SECONDS = 150


class Load:
    """kill_load, and what it says. `more`: its further arguments."""

    def __init__(self, report, address, *more, suite="kills"):
        program = os.path.join(os.environ.get("CHRONIK_CLIENTS", "zig-out/clients"), "kill_load")
        if not os.path.exists(program):
            raise Absent("librdkafka-dev is not here, so kill_load was not built")
        self.report, self.suite = report, suite
        self.acked = self.cases = 0
        self.said = []
        self.gaps_ms = []  # while a partition took no message
        self.process = subprocess.Popen([program, address, *more], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True, errors="replace")
        self.tail = Tail(self.process.stdout, self.on_line)

    def on_line(self, line):
        word, _, rest = line.partition(" ")
        if word == "acked":
            self.acked = int(rest)
        elif word == "gap":
            self.gaps_ms.append(int(rest))
        elif word in ("passed", "failed"):
            name, _, why = rest.partition(": ")
            self.report.case(self.suite, word, name, why)
            self.cases += 1
        else:
            self.said.append(line)

    def wait_for_progress(self):
        before = self.acked

        def has_grown():
            require(self.process.poll() is None, "kill_load ended early: " + "\n".join(self.said[-5:]))
            require(self.cases == 0, "kill_load stopped to load: see its case")
            return self.acked > before
        until(has_grown, PROGRESS_SECONDS, f"nothing is acknowledged any more ({before} were)")

    def finish(self):
        self.process.stdin.close()
        timer = threading.Timer(END_SECONDS, self.process.kill)
        timer.start()
        self.process.wait()
        self.tail.join()
        timer.cancel()
        require(self.cases == 4, "kill_load did not end its cases: " + "\n".join(self.said[-5:]))


def create(server, name):
    with wire.Link(server.address) as link:
        error = wire.create_result(link.ask(wire.create_topic(name, 4)))
        require(error == 0, f"create {name}: error {error}")


def topics_of(server):
    with wire.Link(server.address) as link:
        answer = link.ask(wire.metadata(None))
    return answer.decode("latin-1")


def kill_and_restart(server, load, dice, created):
    """One life more. Now and then it is killed before it has recovered, or while a topic is created."""
    load.wait_for_progress()
    time.sleep(dice.uniform(0, 0.5))
    if dice.random() < 0.3:
        name = f"created.{len(created)}"
        create(server, name)
        created.append(name)
    server.kill()
    server.judge_log()
    while dice.random() < 0.25:
        with open(server.log_path, "ab") as log:
            server.process = subprocess.Popen(server.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        time.sleep(dice.uniform(0, 0.08))
        server.kill()
    server.start()


def fifty_kills(report, seed):
    dice = random.Random(seed)
    created = []
    server = Server().start()
    try:
        for name in ("kills.idempotent", "kills.all", "kills.one"):
            create(server, name)
        load = Load(report, server.address)
        try:
            for _ in range(KILLS):
                kill_and_restart(server, load, dice, created)
            load.wait_for_progress()
            load.finish()
        finally:
            load.process.kill()
        there = topics_of(server)
        for name in created:
            require(name in there, f"topic {name} was created and is lost")
        server.stop()
        server.start()
        server.stop()
    except Failure as failure:
        raise Failure(f"{failure} (seed {seed}; the end of the server's log: {server.log()[-1500:]})") from None
    finally:
        server.close()


def run(report):
    report.run("kills", f"{KILLS} kills in a row", fifty_kills, report, random.randrange(1 << 32))
