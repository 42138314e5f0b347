"""A chronik-server of one's own: a data directory, free ports, a log; started, watched, killed and judged."""
import atexit
import os
import random
import re
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request

HOST = "127.0.0.1"
START_SECONDS = 30
STOP_SECONDS = 30
PORTS = (20000, 29999)  # below those that systems give to outgoing connections


if "CHRONIK_PORTS" not in os.environ:  # one for all suites of a run, and for the programs that they start
    os.environ["CHRONIK_PORTS"] = tempfile.mkdtemp(prefix="chronik-ports-")
    atexit.register(shutil.rmtree, os.environ["CHRONIK_PORTS"], True)


class Failure(Exception):
    """A test's reason to fail."""


def require(holds, why):
    if not holds:
        raise Failure(why)


def claim(port):
    """Whether the port is this test's for good: a node that was down gets its own again, whoever starts meanwhile."""
    try:
        os.close(os.open(os.path.join(os.environ["CHRONIK_PORTS"], str(port)), os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


def free_port():
    for _ in range(1000):
        port = random.randint(*PORTS)
        if not claim(port):
            continue
        with socket.socket() as probe:
            try:
                probe.bind((HOST, port))
                return port
            except OSError:
                continue
    raise Failure("no free port")


def until(condition, seconds, what):
    """Waits for an event that tells nobody: asks again soon, and fails when it took too long."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failure(f"{what}: not within {seconds} s")
        time.sleep(0.003)


class Server:
    """Between start() and stop() or kill() there is a process; data and log stay until close()."""

    is_kafka = False

    def __init__(self, *flags, binary=None, env=None):
        self.binary = binary or os.environ["CHRONIK_SERVER"]
        self.home = tempfile.mkdtemp(prefix="chronik-test-")
        self.data = os.path.join(self.home, "data")
        self.log_path = os.path.join(self.home, "log")
        self.flags = list(flags)
        self.env = dict(os.environ, **(env or {}))
        self.port = self.admin_port = None
        self.process = None
        self.log_read = 0  # where this life's lines begin

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, *_):
        try:
            if self.process is not None:
                self.stop()
        finally:
            self.close(keep=kind is not None)

    @property
    def address(self):
        return f"{HOST}:{self.port}"

    def command(self, *more):
        return [self.binary, "start", "--data-dir", self.data, "--kafka-addr", self.address,
                "--admin-addr", f"{HOST}:{self.admin_port}", *self.flags, *more]

    def start(self, limits=None):
        """Starts it and waits until it serves. After a kill it comes back on the same ports."""
        if self.port is None:
            self.port, self.admin_port = free_port(), free_port()
        for attempt in range(3):
            self.log_read = os.path.getsize(self.log_path) if os.path.exists(self.log_path) else 0
            with open(self.log_path, "ab") as log:
                self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                                env=self.env, preexec_fn=limits)
            try:
                until(self.is_ready, START_SECONDS, "the server does not get ready")
                return self
            except Failure as failure:
                self.kill()
                if "Address already in use" in self.log() and attempt < 2:
                    self.port, self.admin_port = free_port(), free_port()
                    continue
                raise Failure(f"{failure}; its log:\n{self.log()[-3000:]}") from None
        raise Failure("no port stays free")

    def is_ready(self):
        if self.process.poll() is not None:
            raise Failure(f"the server ended with {self.process.returncode}")
        try:
            return self.get("/health")[0] == 200
        except OSError:
            return False

    def get(self, path, seconds=10):
        try:
            with urllib.request.urlopen(f"http://{HOST}:{self.admin_port}{path}", timeout=seconds) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def metric(self, name):
        found = re.search(rf"^{re.escape(name)}(?:\{{[^}}]*\}})? ([0-9.e+]+)$", self.get("/metrics")[1], re.M)
        require(found, f"there is no metric {name}")
        return float(found.group(1))

    def log(self):
        with open(self.log_path, "rb") as log:
            log.seek(self.log_read)
            return log.read().decode(errors="replace")

    def memory(self):
        """Resident bytes."""
        with open(f"/proc/{self.process.pid}/statm") as statm:
            return int(statm.read().split()[1]) * resource.getpagesize()

    def cpu_seconds(self):
        with open(f"/proc/{self.process.pid}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def is_alive(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        """SIGKILL: what a power cut is to a process."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        """SIGTERM, a clean end, and a log without a failed check."""
        process, self.process = self.process, None
        code = process.poll()
        if code is None:
            process.send_signal(signal.SIGTERM)
            try:
                code = process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                raise Failure(f"it does not stop within {STOP_SECONDS} s; its log:\n{self.log()[-3000:]}") from None
        if code != 0:
            raise Failure(f"the server ended with {code}; its log:\n{self.log()[-3000:]}")
        self.judge_log()

    def judge_log(self):
        for line in self.log().splitlines():
            for word in ("CHECK", "check failed", "Sanitizer", "runtime error"):
                require(word not in line, f"in the server's log: {line}")

    def close(self, keep=False):
        if self.is_alive():
            self.kill()
        if not keep or not os.environ.get("CHRONIK_KEEP"):
            shutil.rmtree(self.home, ignore_errors=True)


class Tail:
    """Lines of a process's output as they come, read by a thread."""

    def __init__(self, stream, on_line):
        self.thread = threading.Thread(target=self.read, args=(stream, on_line), daemon=True)
        self.thread.start()

    @staticmethod
    def read(stream, on_line):
        for line in stream:
            on_line(line.rstrip("\n"))

    def join(self):
        self.thread.join()
