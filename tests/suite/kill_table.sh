#!/bin/sh
# kill_table.sh RESULTS -- what a bench has found (--mutants --blocks N --results RESULTS), as the table in
# docs/simulation.md.
set -u
echo "| mutant | | rule | runs | seeds: min | median | p95 | CPU seconds a block | events left | faults left |"
echo "|---|---|---|---|---:|---:|---:|---:|---:|---:|"
sort "$1" | awk '
    function field(name,   at, rest) {
        at = index($0, "\"" name "\":")
        if (at == 0) return ""
        rest = substr($0, at + length(name) + 3)
        if (substr(rest, 1, 1) == "\"") return substr(rest, 2, index(substr(rest, 2), "\"") - 1)
        match(rest, /^[^,}]*/)
        return substr(rest, 1, RLENGTH)
    }
    /"}$/ {
        verdict = field("verdict"); killed = field("blocks_killed"); blocks = field("blocks")
        if (verdict != "killed") verdict = verdict (field("reached") == 0 ? ", not reached" : \
                                                    field("infected") == "true" ? ", infected" : ", not infected")
        else if (killed < blocks) verdict = "killed in " killed " of " blocks
        printf "| %s | %s | %s | %s | %s | %s | %s | %.1f | %s | %s |\n", field("mutant"), verdict, field("rule"),
            field("runs"), field("seeds_min"), field("seeds_median"), field("seeds_p95"), field("seconds") / blocks,
            field("shrunk_events"), field("shrunk_faults")
    }'
