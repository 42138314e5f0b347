"""kcat, as people use it at a prompt."""
import json
import os
import subprocess
import sys

from cases import require, run, same

BROKER = sys.argv[1] if len(sys.argv) > 1 else ""
UNIQUE = os.getpid()
WAIT_SECONDS = 30


def kcat(*arguments, data="", code=0):
    done = subprocess.run(["kcat", "-b", BROKER, *arguments], input=data.encode(), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=WAIT_SECONDS, check=False)
    require(done.returncode == code, f"kcat {' '.join(arguments)}: exit code {done.returncode}: {done.stderr[-300:]}")
    return done.stdout.decode()


def topic(name):
    return f"kcat.{name}.{UNIQUE}"


def read(name, *more):
    return kcat("-C", "-t", topic(name), "-e", "-q", "-X", "check.crcs=true", *more)


def produce_and_consume():
    lines = "".join(f"line {i}\n" for i in range(1000))
    kcat("-P", "-t", topic("plain"), data=lines)
    same(read("plain", "-o", "beginning"), lines)


def every_compression():
    lines = "".join(f"a line that compresses well, number {i}\n" for i in range(500))
    for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
        kcat("-P", "-t", topic(codec), "-z", codec, data=lines)
        same(read(codec), lines, codec)


def every_acks():
    for acks in ("0", "1", "all"):
        kcat("-P", "-t", topic(f"acks.{acks}"), "-X", f"acks={acks}", data="a\nb\nc\n")
        same(read(f"acks.{acks}") if acks != "0" else "", "a\nb\nc\n" if acks != "0" else "", acks)


def keys_headers_and_nulls():
    kcat("-P", "-t", topic("keyed"), "-K", ":", "-Z", "-H", "one=1", "-H", "none", data="k:v\n:w\nn:\n")
    said = [json.loads(line) for line in read("keyed", "-J").splitlines()]
    same([(each["key"], each["payload"]) for each in said], [("k", "v"), (None, "w"), ("n", None)])
    same(said[0]["headers"], ["one", "1", "none", None])
    same([each["offset"] for each in said], [0, 1, 2])


def offsets():
    kcat("-P", "-t", topic("offsets"), data="".join(f"{i}\n" for i in range(100)))
    same(read("offsets", "-o", "97"), "97\n98\n99\n", "from 97")
    same(read("offsets", "-o", "-2"), "98\n99\n", "the last two")
    same(read("offsets", "-o", "end"), "", "the end")
    same(read("offsets", "-o", "3", "-c", "2"), "3\n4\n", "two from 3")


def query_by_time():
    kcat("-P", "-t", topic("times"), data="a\n")
    name = topic("times")
    same(kcat("-Q", "-t", f"{name}:0:0").split(), [name, "[0]", "offset", "0"], "the first since 1970")
    same(kcat("-Q", "-t", f"{name}:0:-1").split(), [name, "[0]", "offset", "1"], "the end")
    same(kcat("-Q", "-t", f"{name}:0:-2").split(), [name, "[0]", "offset", "0"], "the beginning")
    require("offset 0" in read("times", "-f", "offset %o\n", "-o", "s@1"), "consume since a time")


def list_metadata():
    kcat("-P", "-t", topic("listed"), data="a\n")
    text = kcat("-L")
    require(f'topic "{topic("listed")}" with 1 partitions' in text, text)
    seen = json.loads(kcat("-L", "-J", "-t", topic("listed")))
    same([broker["name"] for broker in seen["brokers"]], [BROKER], "brokers")
    same(seen["controllerid"], seen["brokers"][0]["id"], "controller")
    (partition,) = seen["topics"][0]["partitions"]
    same(partition["leader"], seen["brokers"][0]["id"], "leader")
    same(partition["isrs"], [{"id": partition["leader"]}], "ISR")


def large_file():
    data = bytes(range(1, 10)) + b"x" * 900_000
    kcat("-P", "-t", topic("large"), "-D", "\x1e", data=data.decode("latin-1"))
    same(len(read("large", "-f", "%s")), 900_009)


def idempotent():
    lines = "".join(f"{i}\n" for i in range(20000))
    kcat("-P", "-t", topic("idempotent"), "-X", "enable.idempotence=true", data=lines)
    same(read("idempotent"), lines)


def unknown_topic_without_creation():
    name = topic("unknown")
    kcat("-C", "-t", name, "-e", "-q", "-X", "topic.metadata.propagation.max.ms=0", code=1)  # a consumer creates none
    require(f'topic "{name}"' not in kcat("-L"), "it was created")


if __name__ == "__main__":
    run([produce_and_consume, every_compression, every_acks, keys_headers_and_nulls,
         offsets, query_by_time, list_metadata, large_file, idempotent, unknown_topic_without_creation])
