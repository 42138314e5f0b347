#!/bin/sh
# sim_check.sh CHRONIK-SIM COUNT -- seeds 1..COUNT with --check: each runs twice, and the two must not differ. And once
# more with each of three fills for memory that is new or given back: whoever reads what he has not written shows.
set -u
sim=$1 count=$2 passed=0 failed=0 seed=1
digest() { # FILL SEED
    GLIBC_TUNABLES=glibc.malloc.perturb=$1 "$sim" --seed "$2" --nodes 3 --replicas 3 2>&1 | grep -o 'digest=[0-9a-f]*'
}
check() { # WHAT CODE
    if [ "$2" = 0 ]; then passed=$((passed + 1)); else
        failed=$((failed + 1))
        echo "$1:" && echo "$out" | tail -n 20
    fi
}
while [ "$seed" -le "$count" ]; do
    out=$("$sim" --check --seed "$seed" 2>&1)
    check "seed $seed" $?
    seed=$((seed + 1))
done
for seed in 1 2 3; do
    plain=$(digest 0 "$seed")
    for fill in 90 165 255; do
        out="without a fill $plain, with $fill $(digest "$fill" "$seed")"
        [ -n "$plain" ] && [ "$plain" = "$(digest "$fill" "$seed")" ]
        check "seed $seed, memory filled" $?
    done
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
