#!/bin/sh
# fuzz_latency.sh FUZZ-FAULTS CHRONIK-SIM-MUTANTS CPU-SECONDS NAME[:OPTION,...]... -- of known bugs: how long does
# coverage guidance take to find them, from an empty corpus, and how long do seeds one after the other? Rows of the
# table in docs/simulation.md; who has found nothing within so many seconds of CPU time has ">".
set -u
fuzzer=$1 mutants=$2 most=$3
shift 3
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
spent() { # COMMAND...: its seconds of CPU, its children's among them
    sh -c 'ulimit -t "$1"; shift; "$@" >"$0" 2>&1; times' "$dir/out" "$most" "$@" 2>"$dir/noise" |
        awk 'NR == 2 { gsub(/[ms]/, " "); printf "%.1f", 60 * $1 + $2 + 60 * $3 + $4 }'
}
tell() { # SECONDS: with the rule that was broken, if one was
    rule=$(sed -n 's/.*breaks \([A-Za-z0-9]*\)[: ].*/\1/p; s/.*: CHECK(.*/crash/p' "$dir/out" | head -n 1)
    if [ -n "$rule" ]; then printf ' %s | %s |' "$rule" "$1"; else printf ' - | > %s |' "$1"; fi
}
echo "| mutant | guided by coverage: rule | CPU seconds | seeds: rule | CPU seconds |"
echo "|---|---|---:|---|---:|"
for one in "$@"; do
    name=${one%%:*} options=
    [ "$name" = "$one" ] || options=$(echo "${one#*:}" | tr , ' ')
    mkdir "$dir/corpus"
    printf '| %s |' "$name"
    tell "$(CHRONIK_MUTANT=$name spent "$fuzzer" -seed=1 -len_control=0 -max_len=200 -rss_limit_mb=2048 \
        -artifact_prefix="$dir/" "$dir/corpus")"
    rm -r "$dir/corpus"
    # shellcheck disable=SC2086
    tell "$(spent "$mutants" --mutant "$name" $options --seeds 1..1000000 --jobs 1)"
    echo
done
