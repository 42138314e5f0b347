#!/bin/sh
# raft_guards.sh CHRONIK-SIM SEEDS -- canonical/raft under the judge: guarded it passes, as our engine does, and commits
# the same where a schedule forces it to; unguarded, and without any one guard, it is caught. So the judge sees such
# bugs. BARRIER and VOTE alone are shown by tests/test_raft_canonical.c as well: there, message by message.
set -u
sim=$1 seeds=$2 passed=0 failed=0 all=2047
"$sim" --raft canonical --seed 1 >/dev/null 2>&1
[ $? != 2 ] || { echo "skipped: canonical/raft is not in this build: no libraft-dev 0.15" && exit 77; }

row() { # VERDICT NAME SEEDS FAILED RULES: one line of the table
    case $1 in ok) passed=$((passed + 1)) ;; *) failed=$((failed + 1)) ;; esac
    printf '%-4s %-34s %7s seeds %6s caught  %s\n' "$@"
}
hunt() { # FLAG...: sets $done, $caught and $rules
    out=$("$sim" --raft canonical --jobs 2 "$@" 2>/dev/null)
    done=$(echo "$out" | sed -n 's/^seeds=\([0-9]*\).*/\1/p')
    caught=$(echo "$out" | sed -n 's/.* failed=\([0-9]*\).*/\1/p')
    rules=$(echo "$out" | sed -n 's/^broken: //p' | tr '\n' ',')
}
clean() { # NAME FLAG...
    name=$1 && shift
    hunt --keep-going "$@"
    if [ "$caught" = 0 ]; then row ok "$name" "$done" 0 "$rules"; else row BAD "$name" "$done" "$caught" "$rules"; fi
}
caught() { # NAME FLAG...: by one seed at least
    name=$1 && shift
    hunt "$@"
    if [ "$caught" = 1 ]; then row ok "$name" "$done" 1 "$rules"; else row BAD "$name" "$done" "$caught" "$rules"; fi
}
by_o14() { # NAME SHARE FLAG...: by the early warning, in so many of a hundred seeds
    name=$1 share=$2 && shift 2
    hunt --keep-going "$@"
    o14=$(echo "$out" | awk '$1 == "broken:" && $2 == "O14" { n += $NF } END { print n + 0 }')
    verdict=ok
    [ $((o14 * 100)) -ge $((done * share)) ] || verdict=BAD
    row $verdict "$name" "$done" "$caught" "$rules"
}

clean "guarded" --seeds "1..$seeds"
clean "guarded, peers that lie" --lies --seeds 1..60
clean "guarded, two fixed voters" --voters 2 --static --seeds 1..300
for voters in 3 5 7; do
    by_o14 "unguarded, $voters fixed voters: O14" 20 --guards 0 --voters "$voters" --static --seeds 1..100
done
caught "without HOLD" --guards $((all - 1)) --seeds 1..200
caught "without BARRIER" --guards $((all - 2)) --seeds 1..50
caught "without CLAMP" --guards $((all - 4)) --seeds 1..200
caught "without CONF" --guards $((all - 16)) --seeds 1..200
caught "without VALIDATE, peers that lie" --guards $((all - 64)) --lies --seeds 1..60
caught "without PREVOTE, two fixed voters" --guards $((all - 256)) --voters 2 --static --seeds 1..1500
caught "without NVOTE, two voters" --guards $((all - 512)) --voters 2 --seeds 1..1500
caught "without TERM" --guards $((all - 1024)) --seeds 1..100

if out=$("$sim" --raft canonical --compare --seeds 1..200 2>&1); then row ok "as our engine" 200 0 "$out"; else
    row BAD "as our engine" 200 1 "$out"
fi
slowest() { # FLAG...: commits a second, of the three delays
    "$sim" --raft canonical --measure "$@" 2>/dev/null | sed -n 's/.*commits\/s=\([0-9]*\).*/\1/p' | sort -n | head -n 1
}
with=$(slowest) without=$(slowest --guards $((all - 32)))
if [ "${with:-0}" -gt 10000 ] && [ "${without:-0}" -lt 100 ]; then verdict=ok; else verdict=BAD; fi
row $verdict "without WINDOW" 1 1 "$without commits/s, with it $with"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
