"""Client libraries from the package managers of their languages, pinned, kept in .zig-cache/clients.

What could not be had once is not asked for again until that directory is deleted: a second run uses no network."""
import hashlib
import os
import shutil
import subprocess
import sys
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
CACHE = os.path.join(HERE, "..", "..", ".zig-cache", "clients")
FETCH_SECONDS = 240


class Absent(Exception):
    """Why something cannot be had here."""


def run(command, cwd):
    try:
        done = subprocess.run(command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=FETCH_SECONDS)
    except subprocess.TimeoutExpired:
        raise Absent(f"{command[0]} took longer than {FETCH_SECONDS} s") from None
    if done.returncode != 0:
        lines = done.stdout.decode(errors="replace").strip().splitlines() or ["no reason given"]
        telling = [line for line in lines if "rror" in line] or lines
        raise Absent(f"{os.path.basename(command[0])}: {telling[-1].strip()[:200]}")


def need(program):
    if shutil.which(program) is None:
        raise Absent(f"there is no {program} here")


class Kept:
    """A directory filled once by `fill(directory)`; its name follows from the files that say what belongs in it."""

    def __init__(self, name, files, fill):
        self.name, self.fill = name, fill
        self.files = [os.path.join(HERE, file) for file in files]
        self.lock = threading.Lock()

    def get(self):
        with self.lock:
            digest = hashlib.sha256(sys.version.encode())
            for file in self.files:
                with open(file, "rb") as content:
                    digest.update(content.read())
            place = os.path.realpath(os.path.join(CACHE, f"{self.name}-{digest.hexdigest()[:12]}"))
            failed = place + ".failed"
            if os.path.exists(place):
                return place
            if os.path.exists(failed):
                with open(failed) as reason:
                    raise Absent(reason.read())
            self.make(place, failed)
            return place

    def make(self, place, failed):
        work = place + ".new"
        shutil.rmtree(work, ignore_errors=True)
        os.makedirs(work)
        try:
            for file in self.files:
                shutil.copy(file, work)
            self.fill(work)
        except Absent as absent:
            shutil.rmtree(work, ignore_errors=True)
            with open(failed, "w") as reason:
                reason.write(str(absent))
            raise
        os.rename(work, place)


def fill_python(place):
    """Into a plain directory: a venv cannot be moved to its final name. It only lends its pip where there is none."""
    python = sys.executable
    if subprocess.run([python, "-m", "pip", "--version"], capture_output=True, check=False).returncode != 0:
        run([python, "-m", "venv", "venv"], place)
        python = os.path.join(place, "venv", "bin", "python3")
    run([python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--only-binary", ":all:",
         "--target", "lib", "-r", "requirements.txt"], place)


def fill_exporter(place):
    """Some of it has no wheels."""
    run([sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--target", "lib", "-r",
         "exporter.txt"], place)


def fill_node(place):
    need("npm")
    run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], place)


def fill_java(place):
    need("mvn")
    need("javac")
    pom = next(name for name in os.listdir(place) if name.endswith(".xml"))
    run(["mvn", "-q", "-B", "-f", pom, "dependency:copy-dependencies", "-DoutputDirectory=lib"], place)
    run(["javac", "-nowarn", "-d", "classes", "-cp", os.path.join("lib", "*"), "JavaClient.java"], place)


def fill_go(place):
    need("go")
    run(["go", "build", "-mod=readonly", "-o", "group_member", "."], place)


def fill_rust(place):
    """Linked to the librdkafka that is installed: the one that comes with the crate would be compiled for minutes."""
    need("cargo")
    need("pkg-config")
    if subprocess.run(["pkg-config", "--exists", "rdkafka"], check=False).returncode != 0:
        raise Absent("librdkafka-dev is not here")
    run(["cargo", "build", "--release", "--locked", "--quiet"], place)
    os.rename(os.path.join(place, "target", "release", "group_member"), os.path.join(place, "group_member"))
    shutil.rmtree(os.path.join(place, "target"))


python = Kept("python", ["requirements.txt"], fill_python)
node = Kept("node", ["package.json", "package-lock.json"], fill_node)
java = Kept("java", ["kafka-3.9.xml", "JavaClient.java"], fill_java)
java_newest = Kept("java-newest", ["kafka-clients-4.xml", "JavaClient.java"], fill_java)
go = Kept("go", ["go.mod", "go.sum", "group_member.go"], fill_go)
rust = Kept("rust", ["Cargo.toml", "Cargo.lock", "group_member.rs"], fill_rust)
exporter = Kept("exporter", ["exporter.txt"], fill_exporter)
