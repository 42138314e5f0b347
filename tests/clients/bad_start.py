"""What can be wrong before a server serves: its command line, config, ports, directory, and the files in it."""
import glob
import os
import random
import re
import shutil
import socket
import stat
import subprocess
import tempfile

import wire
from packages import Absent
from server import HOST, Server, free_port, require, until

EXIT_CANNOT_START, EXIT_USAGE, EXIT_CORRUPT = 1, 2, 5
SECONDS = 30
RECORDS = 200
MIB = 1 << 20


def attempt(arguments, preexec=None, binary=None, cwd=None):
    """Starts a server that should not start; its exit code and what it said."""
    done = subprocess.run([binary or os.environ["CHRONIK_SERVER"], *arguments], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=SECONDS, check=False,
                          preexec_fn=preexec, cwd=cwd)
    return done.returncode, done.stdout.decode(errors="replace").strip()


def expect(why, got, code, *words):
    """The exit code, and one line that names what is wrong."""
    have, said = got
    require(have == code, f"{why}: exit code {have}, not {code}: {said[-400:]}")
    lines = [line for line in said.splitlines() if " INFO " not in line and " WARN" not in line]
    require(len(lines) == 1, f"{why}: {len(lines)} lines instead of one: {said[-400:]}")
    for word in words:
        require(word in lines[0], f"{why}: '{word}' is not in: {lines[0]}")


def addresses():
    return ["--kafka-addr", f"{HOST}:{free_port()}", "--admin-addr", f"{HOST}:{free_port()}"]


def here():
    """A directory that is gone when its last user is."""
    return tempfile.TemporaryDirectory(prefix="chronik-test-")


def config_files():
    rows = [
        ("an unknown key", "[server]\nkafka_addr = '127.0.0.1:1'\nkafka_adr = 'x'\n", ("kafka_adr", "3")),
        ("an unknown section", "[sever]\nlog_level = 'info'\n", ("sever", "1")),
        ("a key without a section", "data_dir = 'x'\n", ("data_dir", "1")),
        ("a value of another type", "[defaults]\n\nnum_partitions = 'many'\n", ("num_partitions", "3")),
        ("a number out of range", "[defaults]\nnum_partitions = 0\n", ("num_partitions", "2")),
        ("an address without a port", "[server]\nkafka_addr = 'localhost'\n", ("kafka_addr", "2")),
        ("no TOML", "[server\n", ("1",)),
        ("a key twice", "[server]\nlog_level = 'info'\nlog_level = 'debug'\n", ("log_level", "3")),
        ("bytes that are no text", "[server]\nlog_level = '\xff\xfe'\n", ("2",)),
    ]
    with here() as home:
        for why, text, words in rows:
            path = os.path.join(home, "chronik.toml")
            with open(path, "wb") as file:
                file.write(text.encode("latin-1"))
            expect(why, attempt(["start", "--config", path, "--data-dir", home + "/data"]), EXIT_USAGE, path, *words)
        none = attempt(["start", "--config", home + "/none.toml"])
        expect("a config that is not there", none, EXIT_USAGE, "none.toml")
        expect("a config that is a directory", attempt(["start", "--config", home]), EXIT_USAGE, home)
        os.unlink(path)
        with open(os.path.join(home, "chronik.toml"), "w", encoding="utf-8") as file:
            file.write("nonsense\n")
        expect("the one in the current directory", attempt(["start"], cwd=home), EXIT_USAGE, "chronik.toml")


def command_lines():
    rows = [
        ("an unknown flag", ["start", "--no-such-flag"], "--no-such-flag"),
        ("a flag without its value", ["start", "--data-dir"], "--data-dir"),
        ("an unknown command", ["strat"], "strat"),
        ("a port out of range", ["start", "--kafka-addr", "127.0.0.1:99999"], "99999"),
        ("a node id that is no number", ["start", "--node-id", "one"], "one"),
    ]
    for why, arguments, word in rows:
        code, said = attempt(arguments)
        require(code == EXIT_USAGE and word in said.splitlines()[0], f"{why}: {code}: {said[:200]}")
    code, said = attempt(["start", "--help"])
    require(code == 0 and "--kafka-addr" in said, f"--help: {code}: {said[:200]}")
    code, said = attempt(["version"])
    require(code == 0 and re.search(r"\d+\.\d+", said), f"version: {code}: {said[:200]}")


def ports_in_use():
    with here() as home, socket.socket() as other:
        other.bind((HOST, 0))
        other.listen()
        taken = f"{HOST}:{other.getsockname()[1]}"
        start = ["start", "--data-dir", home + "/data"]
        for flag, free in (("--kafka-addr", "--admin-addr"), ("--admin-addr", "--kafka-addr")):
            got = attempt([*start, flag, taken, free, f"{HOST}:{free_port()}"])
            expect(flag, got, EXIT_CANNOT_START, taken, "in use")
        expect("an address that is not ours", attempt([*start, "--kafka-addr", "192.0.2.1:9092", "--admin-addr",
                                                       f"{HOST}:{free_port()}"]), EXIT_CANNOT_START, "192.0.2.1:9092")


def data_dir_cannot_be_used():
    with here() as home:
        plain = os.path.join(home, "file")
        with open(plain, "w", encoding="utf-8") as file:
            file.write("x")
        rows = [("a file", plain), ("below a file", plain + "/data"), ("no directory can be made", "/proc/data")]
        for why, path in rows:
            expect(why, attempt(["start", "--data-dir", path, *addresses()]), EXIT_CANNOT_START, path)


def data_dir_is_not_writable():
    with here() as home:
        path = os.path.join(home, "data")
        os.mkdir(path)
        os.chmod(path, 0o555)
        binary, drop = None, None
        if os.getuid() == 0:  # who may do everything is no test
            os.chmod(home, 0o755)
            binary = shutil.copy(os.environ["CHRONIK_SERVER"], home)
            os.chmod(binary, 0o755)
            drop = lambda: os.setuid(65534)
        got = attempt(["start", "--data-dir", path, *addresses()], drop, binary, "/")
        os.chmod(path, 0o755)
        expect("read-only", got, EXIT_CANNOT_START, path)


def data_dir_is_in_use():
    with Server() as server:
        got = attempt(["start", "--data-dir", server.data, *addresses()])
        expect("locked", got, EXIT_CANNOT_START, server.data, str(server.process.pid))
        require(server.get("/health")[0] == 200, "the first one has noticed")
        server.kill()
        server.start()  # the lock of the dead is none


def data_of_another_node():
    server = Server()
    try:
        server.start().stop()
        code, said = attempt(server.command("--node-id", "7")[1:])
        require(code == 6, f"exit code {code}: {said[-300:]}")
    finally:
        server.close()


# ---- files that are not as they were left ----

def fill(server):
    """Topics with records, so that there is something to break; small segments, so that there are several."""
    with wire.Link(server.address) as link:
        require(wire.create_result(link.ask(wire.create_topic("files", 2))) == 0, "create")
        for number in range(RECORDS):
            data = wire.batch([b"%06d" % number + b"." * 2000])
            error, offset = wire.produce_result(link.ask(wire.produce("files", data)))
            require((error, offset) == (0, number), f"produce {number}: error {error}, offset {offset}")


def read_all(server):
    """Values by offset, until the end, an error or a batch whose checksum is wrong."""
    found, offset = {}, 0
    with wire.Link(server.address) as link:
        while True:
            answer = link.ask(wire.fetch("files", offset, max_bytes=1 << 18, partition_max=1 << 18))
            error, _, records = wire.fetch_result(answer)
            if error != 0 or not records:
                return found
            if not crc_matches(records):
                return found
            for at, value in wire.values(records):
                found[at] = value
            next_offset = max(found) + 1 if found else 0
            require(next_offset > offset, f"a fetch at {offset} brings only what is before")
            offset = next_offset


def crc_matches(records):
    at = 0
    while at + 61 <= len(records):
        size = 12 + int.from_bytes(records[at + 8:at + 12], "big")
        if at + size > len(records):
            return True
        if wire.crc32c(records[at + 21:at + size]) != int.from_bytes(records[at + 17:at + 21], "big"):
            return False
        at += size
    return True


def whole(found):
    return sorted(found) == list(range(RECORDS))


def true(found):
    for offset, value in found.items():
        require(value == b"%06d" % offset + b"." * 2000, f"offset {offset} has other bytes: {value[:20]!r}")


def flip(path, dice):
    size = os.path.getsize(path)
    if size == 0:
        return
    with open(path, "r+b") as file:
        for _ in range(3):
            at = dice.randrange(size)
            file.seek(at)
            byte = file.read(1)
            file.seek(at)
            file.write(bytes([byte[0] ^ 1 << dice.randrange(8)]))


def cut(path, dice):
    os.truncate(path, dice.randrange(os.path.getsize(path) + 1))


def grow(path, dice):
    with open(path, "ab") as file:
        file.write(dice.randbytes(dice.randrange(1, 5000)))


def noise(path, dice):
    size = os.path.getsize(path)
    with open(path, "wb") as file:
        file.write(dice.randbytes(size))


def zero(path, dice):
    size = os.path.getsize(path)
    with open(path, "wb") as file:
        file.write(bytes(min(size, 1 << 24)))


def empty(path, dice):
    os.truncate(path, 0)


def remove(path, dice):
    os.unlink(path)


DAMAGES = [flip, cut, grow, noise, zero, empty, remove]


def files_of(server):
    found = [path for path in glob.glob(server.data + "/**", recursive=True) if os.path.isfile(path)]
    return sorted(path for path in found if not path.endswith(".lock"))


def judge_start(server, what):
    """It serves what is true, or it ends with a code and a reason. True if it serves."""
    try:
        server.start()
    except Exception as failure:  # it did not get ready: was it for a good reason?
        code = server.process.returncode
        require(code is not None and 0 < code < 100, f"{what}: {failure}")
        said = any(" ERROR " in line for line in server.log().splitlines())
        require(said, f"{what}: exit code {code} without a word")
        server.judge_log()
        return False
    true(read_all(server))
    server.stop()
    return True


def damaged_files(was_clean):
    """Every kind of damage to every kind of file, from the same good directory."""
    origin = Server()
    origin.start()
    fill(origin)
    if was_clean:
        origin.stop()
    else:
        until(lambda: any(path.endswith(".log") for path in files_of(origin)), 30, "nothing is flushed")
        origin.kill()
        origin.process = None
    try:
        kinds = {}
        for path in files_of(origin):
            kinds.setdefault(kind_of(os.path.relpath(path, origin.data)), path)
        require(len(kinds) >= 4, f"there is little to break: {sorted(kinds)}")
        dice = random.Random(1)
        outcomes = []
        for kind, path in sorted(kinds.items()):
            for damage in DAMAGES:
                outcomes.append((damage.__name__, kind, one_damage(origin, path, damage, dice)))
        require(any(served for _, _, served in outcomes), "it never starts again")
    finally:
        origin.close()


def kind_of(path):
    """Files that differ only by number are of one kind."""
    return re.sub(r"\d+", "N", re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "ID", path))


def one_damage(origin, path, damage, dice):
    server = Server()
    try:
        copy_sparse(origin.data, server.data)
        damage(os.path.join(server.data, os.path.relpath(path, origin.data)), dice)
        return judge_start(server, f"{damage.__name__} {os.path.relpath(path, origin.data)}")
    finally:
        server.close()


def copy_sparse(source, target):
    subprocess.run(["cp", "-a", "--sparse=always", source, target], check=True)


def indexes_are_rebuilt():
    """Whatever becomes of indexes: every record is served."""
    server = Server()
    try:
        fill(server.start())
        server.stop()
        for damage in DAMAGES:
            dice = random.Random(2)
            for path in files_of(server):
                if path.endswith((".index", ".timeindex")):
                    damage(path, dice)
            server.start()
            found = read_all(server)
            true(found)
            require(whole(found), f"{damage.__name__}: {len(found)} of {RECORDS} records are served")
            with wire.Link(server.address) as link:
                error, offset = wire.list_offsets_result(link.ask(wire.list_offsets("files", 0)))
                require((error, offset) == (0, 0), f"{damage.__name__}: by time: error {error}, offset {offset}")
            server.stop()
    finally:
        server.close()


def torn_tail():
    """A killed server's last segment may end in half a batch: what was acknowledged is there all the same."""
    server = Server()
    try:
        fill(server.start())
        server.kill()
        for path in files_of(server):
            if path.endswith(".log"):
                with open(path, "ab") as file:
                    file.write(wire.batch([b"half"])[:50])
        server.start()
        found = read_all(server)
        true(found)
        require(whole(found), f"{len(found)} of {RECORDS} records are served")
        server.stop()
    finally:
        server.close()


def strangers_in_the_directory():
    """Files of others are left alone."""
    server = Server()
    try:
        fill(server.start())
        server.stop()
        mine = []
        for name in ("lost+found/x", "wal/notes.txt", "wal/files-999/x.log", ".DS_Store", "wal/__journal/readme"):
            path = os.path.join(server.data, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as file:
                file.write("mine")
            mine.append(path)
        server.start()
        require(whole(read_all(server)), "records are missing")
        server.stop()
        for path in (mine[0], mine[1], mine[3]):
            require(os.path.exists(path), f"{path} was deleted")
    finally:
        server.close()


def full_disk():
    """Produces are refused, reads go on; and when there is space again, produces too."""
    with here() as home:
        if os.getuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300m", "tmpfs", home],
                                              capture_output=True, check=False).returncode != 0:
            raise Absent("a small file system cannot be mounted here")
        server = Server()
        server.data = os.path.join(home, "data")
        try:
            server.start()
            fill_disk(server, home)
        finally:
            server.close()
            subprocess.run(["umount", "-l", home], check=False)


def fill_disk(server, home):
    fill(server)
    ballast = os.path.join(home, "ballast")
    space = os.statvfs(home).f_bavail * os.statvfs(home).f_frsize
    subprocess.run(["fallocate", "-l", str(max(space - 4096, 4096)), ballast], check=True)
    big = wire.batch([b"x" * 900_000])
    refused = 0
    with wire.Link(server.address, 60) as link:
        for _ in range(600):
            error, _ = wire.produce_result(link.ask(wire.produce("files", big, partition=1)))
            refused += error != 0
            if refused >= 3:
                break
        require(refused >= 3, "540 MB fit on a full disk")
    require(whole(read_all(server)), "reads do not go on")
    os.unlink(ballast)

    def takes_again():
        with wire.Link(server.address, 60) as link:
            return wire.produce_result(link.ask(wire.produce("files", wire.batch([b"y"]), partition=1)))[0] == 0
    until(takes_again, 30, "produces are taken again")
    require(whole(read_all(server)), "records are missing")
    server.stop()
    server.start()
    require(whole(read_all(server)), "records are missing after a restart")
    server.stop()


def clean_stop_and_restart():
    """Everything is there after a clean stop, and nothing is recovered that needs none."""
    with Server() as server:
        fill(server)
        for _ in range(3):
            server.stop()
            server.start()
            require(whole(read_all(server)), "records are missing")


def modes():
    """Nobody else may read the data but who may read the directory above."""
    with Server() as server:
        fill(server)
        for path in files_of(server):
            mode = stat.S_IMODE(os.stat(path).st_mode)
            require(mode & 0o022 == 0, f"{path} may be written by all: {mode:o}")


def run(report):
    for case in (config_files, command_lines, ports_in_use, data_dir_cannot_be_used, data_dir_is_not_writable,
                 data_dir_is_in_use, data_of_another_node, clean_stop_and_restart, modes, indexes_are_rebuilt,
                 torn_tail, strangers_in_the_directory, full_disk):
        report.run("bad start", case.__name__, case)
    report.run("bad start", "damaged files after a clean stop", damaged_files, True)
    report.run("bad start", "damaged files after a kill", damaged_files, False)
