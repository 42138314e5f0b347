"""How fast is the simulator: events and simulated seconds for each second of a CPU, and how much memory?

A run is a process; its processor time is counted, since a busy machine's clock says nothing. Judge, checks and digest
are on as ever. A short run of a thousand nodes ends after so many events, in the middle of its bootstrap; --long
has one that comes to its end, too."""
import os
import re
import resource
import statistics
import subprocess

# What it is, words of the command, what is hoped for of events/s, and of the whole
RUNS = [
    ("5 nodes, no faults (calm)", ["--profile", "calm", "--seed", "1"], "3 M", ""),
    ("5 nodes, chaos (swarm), replicas", ["--nodes", "5", "--replicas", "3", "--seed", "3"], "", "5,000x"),
    ("100 nodes, 1,000 partitions", ["--profile", "scale", "--nodes", "100", "--seed", "1"], "", ""),
]
SHORT = [("1,000 nodes, first 2 M events", ["--profile", "scale", "--seed", "1", "--until", "2000000"], "2 M",
          "10x, 1 GiB")]
LONG = [("1,000 nodes, 10,000 partitions", ["--profile", "scale", "--seed", "1"], "2 M", "10x, 1 GiB")]
# Many seeds in a process, as a hunt has them: what it is, words, seeds, milliseconds of a CPU that are hoped for.
HUNTS = [
    ("lite, as it comes", ["--profile", "lite"], 100, "10"),
    ("lite, 3 replicas", ["--profile", "lite", "--replicas", "3"], 100, "10"),
    ("swarm, 3 nodes", ["--nodes", "3"], 20, ""),
    ("swarm, 3 nodes, 3 replicas", ["--nodes", "3", "--replicas", "3"], 20, ""),
]


def simulator():
    return os.environ["CHRONIK_SIM"]


def cpu_of(command):
    """What it prints; seconds of a CPU that it had, of its own and of the kernel's."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    text = done.stdout.decode()
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {text[-300:]}")
    return text, after.ru_utime - before.ru_utime, after.ru_stime - before.ru_stime


def number(name, text):
    return float(re.search(rf"(?:^|[\s]){re.escape(name)}=([0-9.]+)", text).group(1))


def delays(text):
    """The model of delays that the run has drawn: a message, a write, a sync."""
    found = [re.search(rf"\b{name}_latency_ns=([0-9]+)", text) for name in ("network", "write", "sync")]
    return " / ".join("?" if each is None else f"{int(each.group(1)) / 1e6:.2g}" for each in found)


def run_one(say, what, words, rounds):
    """Events, simulated seconds, seconds of a CPU and of the kernel, MiB, delays: the median of some runs."""
    measured = []
    for _ in range(1 if "scale" in words else rounds):
        say(f"sim: {what}")
        text, user, kernel = cpu_of([simulator(), *words])
        measured.append((user + kernel, kernel, number("events", text), number("sim", text), number("rss", text),
                         delays(text)))
    return sorted(measured)[len(measured) // 2]


def runs(say, table, big, which, rounds):
    lines = []
    for what, words, rate, whole in which:
        cpu, kernel, events, simulated, memory, delay = run_one(say, what, words, rounds)
        lines.append([what, f"{events:,.0f}", f"{cpu:.2f}", f"{kernel / cpu * 100:.0f} %", big(events / cpu), rate,
                      f"{simulated / cpu:.3g}x", f"{memory:,.0f}", whole, delay])
    table("The simulator: one run", ["what", "events", "CPU s", "in the kernel", "events/s", "aim", "simulated to CPU",
                                     "MiB", "aim ", "network / write / sync, ms"], lines)


def hunts(say, table, big, times, rounds):
    lines = []
    for what, words, seeds, aim in HUNTS:
        seeds *= times
        each = []
        for _ in range(rounds):
            say(f"sim: {seeds} seeds, {what}")
            text, user, kernel = cpu_of([simulator(), *words, "--seeds", f"1..{seeds}", "--jobs", "1"])
            each.append((user + kernel, kernel, number("events", text), number("sim", text)))
        cpu, kernel, events, simulated = sorted(each)[rounds // 2]
        spread = (max(each)[0] - min(each)[0]) / statistics.median(one[0] for one in each)
        lines.append([what, f"{events / seeds:,.0f}", f"{cpu / seeds * 1000:.1f}", aim, f"{spread * 100:.0f} %",
                      f"{kernel / cpu * 100:.0f} %", f"{seeds / cpu:.0f}", big(events / cpu),
                      f"{simulated / cpu:.3g}x"])
    table("The simulator: many seeds in a process",
          ["what", "events a seed", "CPU ms a seed", "aim", "spread", "in the kernel", "seeds/s of a CPU", "events/s",
           "simulated to CPU"], lines)


def run(tools, options):
    _, _, table, big, say = tools
    rounds = options.rounds or 3
    hunts(say, table, big, 5 if options.long else 1, rounds)
    runs(say, table, big, RUNS + (LONG if options.long else []) + SHORT, rounds)
