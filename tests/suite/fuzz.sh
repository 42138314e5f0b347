#!/bin/sh
# fuzz.sh EXECUTABLE NAME SECONDS [LIBFUZZER OPTION...] -- replays fuzz/corpus/NAME, then fuzzes on from it.
#
# An input that breaks something lands in fuzz/corpus/NAME: commit it with the fix, and it is replayed for ever.
# What the fuzzer finds interesting stays in .zig-cache; `fuzz -- NAME -merge=1` brings the best of it home.
set -eu
fuzzer=$1 name=$2 seconds=$3
shift 3
corpus=fuzz/corpus/$name found=.zig-cache/fuzz/$name
mkdir -p "$corpus" "$found"
case " $* " in *" -merge=1 "*) exec "$fuzzer" "$@" "$corpus" "$found" ;; esac
# libFuzzer's own exit code for a crash is 77, which would read as skipped.
"$fuzzer" -error_exitcode=1 -timeout_exitcode=1 -timeout=10 -runs=0 -artifact_prefix="$found-" "$corpus"
exec "$fuzzer" -error_exitcode=1 -timeout_exitcode=1 -timeout=10 -rss_limit_mb=2048 -max_total_time="$seconds" \
    -artifact_prefix="$corpus/" -print_final_stats=1 "$@" "$found" "$corpus"
