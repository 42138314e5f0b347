#!/bin/sh
# sim_check.sh CHRONIK-SIM COUNT -- seeds 1..COUNT with --check: each runs twice, and the two must not differ.
set -u
sim=$1 count=$2 passed=0 failed=0 seed=1
while [ "$seed" -le "$count" ]; do
    if out=$("$sim" --check --seed "$seed" 2>&1); then passed=$((passed + 1)); else
        failed=$((failed + 1))
        echo "seed $seed:" && echo "$out" | tail -n 20
    fi
    seed=$((seed + 1))
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
