#!/bin/sh
# tested_mutants.sh TEST... -- every row of tests/mutants.txt: its test, built with known bugs in it, fails with that
# one switched on. Control: with none of them on it passes, so it is the bug that it fails for.
set -u
passed=0 failed=0
verdict() { # CODE WHAT
    if [ "$1" = 0 ]; then passed=$((passed + 1)); else
        failed=$((failed + 1))
        echo "$2"
    fi
}
list=$(grep -v '^#' tests/mutants.txt)
for test; do
    name=$(basename "$test")
    MUTANT='' "$test" >/dev/null 2>&1
    verdict $? "$name fails without any mutant"
    for mutant in $(echo "$list" | sed -n "s/^\([a-zA-Z0-9_]*\) *$name\$/\1/p"); do
        MUTANT=$mutant "$test" >/dev/null 2>&1 && alive=1 || alive=0
        verdict $alive "$mutant lives: $name passes with it"
    done
done
[ "$(echo "$list" | grep -c .)" = $((passed + failed - $#)) ]
verdict $? "a row names a test that is not here"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
