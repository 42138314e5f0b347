#!/bin/sh
# bench.sh ARG... -- the benchmarks: tests/bench/run where it exists, else each program in $CHRONIK_BENCH.
set -eu
[ ! -e tests/bench/run ] || exec tests/bench/run "$@"
for program in "$CHRONIK_BENCH"/*; do
    [ ! -x "$program" ] || "$program" "$@"
done
