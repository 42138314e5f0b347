#!/bin/sh
# mutants.sh ROOT -- each known bug that the code can be given, MUTANT(name), has a row in a table of sim/, and each row
# its bug in the code; a row that no seed is known for (DIES_IN_TEST, OPEN) has a test that it dies by in
# tests/mutants.txt, and only such, or a schedule in tests/schedules.
set -eu
cd "$1"
export LC_ALL=C
scratch=$(mktemp -d) && trap 'rm -rf "$scratch"' EXIT
names() { sed "s/.*$1.*/\\1/" | sort; }
# The macro itself speaks of a `name`.
grep -rhoE 'MUTANT\([A-Za-z0-9_]+\)' core --include='*.[ch]' | grep -vF 'MUTANT(name)' | names '(\(.*\))' | uniq \
    >"$scratch/bugs"
grep -hE '^ +X\(' sim/mutants.c sim/raft_mutants.c | names 'X(\([A-Za-z0-9_]*\),' >"$scratch/rows"
# A row may be of two lines.
tr -d '\n' <sim/mutants.c | sed 's/ X(/\n X(/g' | grep -E 'DIES_IN_TEST|OPEN\)' >"$scratch/whole" || :
names 'X(\([A-Za-z0-9_]*\),' <"$scratch/whole" >"$scratch/tested"
grep -v '^#' tests/mutants.txt | sed 's/ .*//' | sort >"$scratch/tests"
cat tests/schedules/* 2>/dev/null | sed -n 's/^mutant //p' | sort -u - "$scratch/tests" >"$scratch/deaths"
code=0
tell() { # WHAT FILE FILE: lines of the first that the second lacks
    comm -23 "$2" "$3" | while read -r name; do echo "$name: $1"; done
    [ -z "$(comm -23 "$2" "$3")" ] || code=1
}
tell "a MUTANT without a row in sim/mutants.c" "$scratch/bugs" "$scratch/rows"
tell "a row without a MUTANT in core/, or two rows" "$scratch/rows" "$scratch/bugs"
tell "no seed is known for it, nor a row in tests/mutants.txt, nor a schedule" "$scratch/tested" "$scratch/deaths"
tell "in tests/mutants.txt, and seeds are known for it" "$scratch/tests" "$scratch/tested"
[ -s "$scratch/bugs" ] || { echo "$1: no MUTANT to read" && code=1; }
exit $code
