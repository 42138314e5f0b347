#!/bin/sh
# digests.sh COUNT { LABEL CHRONIK-SIM }... -- seeds 1..COUNT end in the same digest=, whichever compiler it was.
# A simulator called "absent" is skipped.
set -u
digest_of() { # CHRONIK-SIM [FLAG...]: of $seed, with a dot behind it.
    echo "$("$@" --seed "$seed" 2>&1 | sed -n 's/.*digest=\([0-9a-f]*\).*/\1/p' | tail -n 1)."
}
count=$1 passed=0 failed=0 skipped=0
shift
first='' first_label=''
while [ $# -ge 2 ]; do
    label=$1 sim=$2 seed=1 digests=''
    shift 2
    if [ "$sim" = absent ]; then
        echo "skipped: $label: no such compiler here"
        skipped=$((skipped + 1))
        continue
    fi
    while [ "$seed" -le "$count" ]; do
        digests="$digests $(digest_of "$sim")$(digest_of "$sim" --raft ours)"
        seed=$((seed + 1))
    done
    [ -n "$first" ] || first=$digests first_label=$label
    case $digests in
    *" ."* | *..*) echo "$label: a run without a digest:$digests" && failed=$((failed + 1)) ;;
    "$first") passed=$((passed + 1)) ;;
    *) echo "$label:$digests" && echo "$first_label:$first" && failed=$((failed + 1)) ;;
    esac
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
