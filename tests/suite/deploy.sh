#!/bin/sh
# deploy.sh CHRONIK-SIM -- what deploy/ has for hunts on many machines: the Job is one that Kubernetes would take and
# its container hunts, and so do machines of a file of GNU parallel. Without the tools that look, less is looked at.
set -u
sim=$(realpath "$1") passed=0 failed=0 skipped=0
job=$PWD/deploy/hunt-job.yaml parallel_hunt=$PWD/deploy/hunt-parallel.sh
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
check() { # WHAT COMMAND...
    what=$1 && shift
    if "$@" >"$dir/out" 2>&1; then passed=$((passed + 1)); else
        failed=$((failed + 1))
        echo "$what" && tail -n 5 "$dir/out"
    fi
}
hunted() { # DIRECTORY: whether runs, and a canary, are in its results
    grep -q '"what":"runs"' "$1/results.jsonl" && grep -q '"what":"canary","found":true' "$1/results.jsonl"
}

# The rules of Kubernetes that such a Job can break, and what its container says to a shell.
cat >"$dir/job.py" <<'END'
import sys, yaml
job = yaml.safe_load(open(sys.argv[1]))
assert (job["apiVersion"], job["kind"]) == ("batch/v1", "Job")
spec = job["spec"]
assert set(spec) == {"completionMode", "completions", "parallelism", "backoffLimitPerIndex", "maxFailedIndexes",
                     "podFailurePolicy", "template"}, set(spec)
assert spec["completionMode"] == "Indexed", "limits per index are for indexed Jobs"
assert 0 < spec["parallelism"] <= spec["completions"] and 0 <= spec["maxFailedIndexes"] <= spec["completions"]
pod = spec["template"]["spec"]
assert pod["restartPolicy"] == "Never", "a policy for failures is for Pods that are not restarted"
box, = pod["containers"]
for rule in spec["podFailurePolicy"]["rules"]:
    codes = rule["onExitCodes"]
    assert rule["action"] == "FailIndex" and codes["operator"] == "In" and codes["containerName"] == box["name"]
    assert codes["values"] == sorted(set(codes["values"])) and 0 not in codes["values"], "in order, and none twice"
    assert set(codes["values"]) == {1, 2, 129}, "what a hunt ends with where to do it again changes nothing"
assert {m["name"] for m in box["volumeMounts"]} == {v["name"] for v in pod["volumes"]}
assert box["command"] == ["/bin/sh", "-c"] and len(box["args"]) == 1
open(sys.argv[2], "w").write(box["args"][0])
END
if python3 -c 'import yaml' 2>/dev/null; then
    check "the Job keeps the rules" python3 "$dir/job.py" "$job" "$dir/words"
    sed "s|/bin/chronik-sim|$sim|; s|/results/|$dir/results/|; s|--time-budget [0-9]*|--time-budget 2|" \
        "$dir/words" >"$dir/short"
    mkdir -p "$dir/results"
    JOB_COMPLETION_INDEX=7 check "its container hunts" sh "$dir/short"
    check "in a directory of its own" hunted "$dir/results/7"
    check "with seeds of its own" grep -q '"next":70000000[0-9][0-9]' "$dir/results/7/results.jsonl"
else
    skipped=$((skipped + 4)) && echo "skipped: no yaml for python3"
fi
if command -v kubernetes-validate >"$dir/out"; then
    check "Kubernetes' schema has it" kubernetes-validate --strict "$job"
    sed 's/completionMode/completionMood/' "$job" >"$dir/typo.yaml"
    check "and not another one" sh -c '! kubernetes-validate --strict "$1"' sh "$dir/typo.yaml"
else
    skipped=$((skipped + 2)) && echo "skipped: no kubernetes-validate (pip install kubernetes-validate)"
fi

# One machine, this one, which parallel calls ':'; without parallel, what stands for it does as little as is needed.
mkdir -p "$dir/away/chronik/zig-out/bin" "$dir/away/zig-out/bin" "$dir/bin"
cp "$sim" "$dir/away/chronik/zig-out/bin/chronik-sim"
cp "$sim" "$dir/away/zig-out/bin/chronik-sim"
echo : >"$dir/hosts"
if ! command -v parallel >"$dir/out"; then
    printf '#!/bin/sh\nfor words in "$@"; do :; done\nexec sh -c "$words"\n' >"$dir/bin/parallel"
    chmod +x "$dir/bin/parallel"
    skipped=$((skipped + 1)) && echo "skipped: no GNU parallel: something else stands for it"
fi
check "machines of a file hunt" sh -c 'cd "$1/away" && PATH=$PATH:$1/bin HOME=$1 sh "$2" "$1/hosts" 2' \
    sh "$dir" "$parallel_hunt"
check "what they found is merged" hunted "$dir/away/hunt"
check "and there is a page" test -s "$dir/away/hunt/index.html"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
