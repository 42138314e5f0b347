#!/bin/sh
# shrink_table.sh CHRONIK-SIM-MUTANTS NAME[:FLAG,...]... -- each known bug: what is left of the first run that finds it.
set -u
mutants=$1 file=$(mktemp)
shift
names=$*
trap 'rm -f "$file"' EXIT
echo "| mutant | rule | faults | left | nodes | events | runs | CPU seconds | other seeds |"
echo "|---|---|---:|---:|---:|---:|---:|---:|---:|"
for name in $names; do
    case $name in *:*) words=$(echo "${name#*:}" | tr ',' ' ') name=${name%%:*} ;; *) words='' ;; esac
    # shellcheck disable=SC2086 # the words are several
    seed=$("$mutants" --mutant "$name" $words --seeds 1..150 --jobs 2 2>&1 |
        sed -n 's/^seed \([0-9]*\) breaks.*/\1/p' | head -n 1)
    [ -n "$seed" ] || { echo "| $name | none | | | | | | | |" && continue; }
    # shellcheck disable=SC2086
    figures=$("$mutants" --mutant "$name" $words --seed "$seed" --shrink --jobs 2 --save-schedule "$file" 2>/dev/null |
        sed -n 's/[a-z]*=//g; s/^\([0-9]*\) of \([0-9]*\) \([0-9]* [0-9]* [0-9]*\) [0-9]* \(.*\)/\2 \1 \3 \4/p')
    rule=$(sed -n 's/^breaks \([^ ]*\).*/\1/p' "$file")
    # shellcheck disable=SC2086 # faults before and after, nodes, events, runs, other seeds, seconds, those of CPUs
    set -- $figures
    echo "| $name | $rule | $1 | $2 | $3 | $4 | $5 | $8 | $6 |"
done
