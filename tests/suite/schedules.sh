#!/bin/sh
# schedules.sh CHRONIK-SIM CHRONIK-SIM-MUTANTS -- every file of tests/schedules: it passes, and where it names a bug it
# fails with that bug as the file says. Delays hang on the seed and on the code: so its neighbours may show it as well.
set -u
sim=$1 mutants=$2 passed=0 failed=0 others=40
check() { # WHAT CODE
    if [ "$2" = 0 ]; then passed=$((passed + 1)); else
        failed=$((failed + 1))
        echo "$1: $out" | tail -n 5
    fi
}
shows() { # FILE: whether it fails as it says
    rule=$(sed -n 's/^breaks \([^ ]*\).*/\1/p' "$1")
    seed=$(sed -n 's/^seed //p' "$1")
    out=$("$mutants" --schedule "$1" 2>&1)
    case $out in *" breaks $rule at "*) return 0 ;; esac
    out=$("$mutants" --schedule "$1" --seeds "$seed..$((seed + others))" --jobs 2 2>&1)
    case $out in *" breaks $rule at "*) return 0 ;; esac
    return 1
}
for file in tests/schedules/*; do
    out=$("$sim" --schedule "$file" 2>&1)
    check "$file passes" $?
    if grep -q '^mutant ' "$file"; then
        shows "$file"
        check "$file fails with its bug" $?
    fi
done
# Other futures of a run that fails: at its end all of them fail alike, and before that fewer do.
out=$("$mutants" --schedule tests/schedules/follower-acks-before-durable --likelihood --effort 200 --jobs 2 2>&1)
echo "$out" | awk '$3 ~ /^[0-9]+\/[0-9]+$/ { split($3, part, "/"); share = part[1] / part[2]; rows++
    if (rows == 1 || share < least) least = share }
    /^decided between event/ { told = 1 }
    END { exit !(rows > 10 && share == 1 && least < 1 && told) }'
check "when a failure was decided" $?
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
