#!/bin/sh
# bench_results.sh CHRONIK-SIM-MUTANTS -- a bench that was ended goes on, and its table says what it found.
set -u
mutants=$1 passed=0 failed=0
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
expect() { # WHAT TEXT PATTERN
    if echo "$2" | grep -qE "$3"; then passed=$((passed + 1)); else failed=$((failed + 1)) && echo "FAILED $1: $2"; fi
}
bench() { "$mutants" --mutants --results "$dir/results" --blocks 3 --jobs 2 "$@" 2>&1; }

expect 'one that dies at once' "$(bench --mutant broker_ack_before_durable)" 'killed +O12 +1 +1 +1 .* yes '
expect 'nothing is run again' "$(bench --mutant broker_ack_before_durable | grep -c O12)" '^0$'
expect 'what was found before counts' "$(bench --mutant broker_ack_before_durable)" '^1 of 1 killed, after 1 seeds'
expect 'blocks begin where the last one ended' \
    "$(bench --mutant producer_remembers_one_batch --seeds 1..40)" 'killed +O8 '
expect 'a line for each' "$(wc -l <"$dir/results")" '^ *2$'
expect 'what is left of its first run' "$(tail -n 1 "$dir/results")" '"shrunk_events":[0-9]+,"shrunk_faults":[0-9]+,'

# It was ended in the middle of a line.
head -c -60 "$dir/results" >"$dir/cut" && mv "$dir/cut" "$dir/results"
expect 'a line that was cut is run again' "$(bench --mutant producer_remembers_one_batch --seeds 1..40)" 'killed +O8 '
expect 'and counts once' "$(bench --mutant producer_remembers_one_batch)" '^1 passed, 0 failed'

expect 'what another one found is left alone' \
    "$(printf 'Dear reader,\n' >"$dir/foreign" && "$mutants" --mutants --results "$dir/foreign" 2>&1)" \
    'foreign: not the results of a bench$'
expect 'results that cannot be written' "$("$mutants" --mutants --results "$dir/nowhere/x" 2>&1)" 'x: No such file'
expect 'trying nothing is not passing' "$("$mutants" --mutants --mutant M41 2>&1 || echo "code $?")" '^code 2$'

table=$(sh tests/suite/kill_table.sh "$dir/results")
expect 'the table has it' "$table" \
    '^\| broker_ack_before_durable \| killed \| O12 \|  \| 1 \| 1 \| 1 \| [0-9.]+ \| [0-9]+ \| [0-9]+ \|$'
expect 'once' "$(echo "$table" | grep -c broker_ack)" '^1$'
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
