#!/bin/sh
# timeline.sh CHRONIK-SIM -- what is made of a run for others to read: the page works in a browser (without one: its
# data are what its script expects), and the other forms are what their readers take.
set -u
sim=$1 passed=0 failed=0 skipped=0
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
check() { # WHAT COMMAND...
    what=$1 && shift
    if "$@" >"$dir/out" 2>&1; then passed=$((passed + 1)); else
        failed=$((failed + 1))
        echo "$what" && tail -n 5 "$dir/out"
    fi
}
cat >"$dir/bad" <<'END'
chronik-sim schedule 3
seed 4
set nodes=3 joiners=0
set chaos_us=4000000 replicas=3 min_isr=2 lag_ms=1000 records=200 producers=2 administrators=0 canary=2
1400000 kill 2 for=100000
2700000 partition 3 ways=out for=50000
3300000 kill leader for=100000
END
for form in html json shiviz txt; do "$sim" --schedule "$dir/bad" --trace "$dir/bad.$form" >/dev/null 2>&1; done
"$sim" --seed 7 --nodes 1 --trace "$dir/good.html" >/dev/null 2>&1
"$sim" --schedule "$dir/bad" --likelihood --effort 100 --trace "$dir/likely.html" >/dev/null 2>&1

cat >"$dir/check.py" <<'END'
import json, re, sys
page = open(sys.argv[1]).read()
assert "@RUN@" not in page
assert not re.search(r'(src|href)\s*=\s*["\']?(https?:)?//', page), "it needs a network"
run = json.loads(re.search(r'id="run">(.*?)</script>', page, re.S).group(1))
numbers = [event[0] for event in run["events"]]
assert numbers == sorted(numbers) and len(numbers) > 100
assert all(0 < event[2] <= run["nodes"] for event in run["events"])
assert all(event[4] < event[0] for event in run["events"]), "a cause comes before"
assert all(m[0] <= m[1] and m[2] != m[3] for m in run["messages"]), "messages take time, and go to others"
labels = {m[4] for m in run["messages"]}
assert "produce" in labels and "produce answer" in labels, labels
if run["nodes"] > 1:
    assert {"raft append", "raft appended", "data", "ack", "heartbeat"} <= labels, labels
    assert any(word[3] == "f" and word[4].startswith("kill") for word in run["words"])
    assert any(len(p[4]) == 3 for p in run["partitions"]), "all three were in sync"
    assert run["rule"] == "canary" and run["verdict"].startswith("canary: ")
assert len({state[1] for state in run["status"]}) == run["nodes"]
assert any(replica[5] > 0 for replica in run["replicas"]), "a high watermark rose"
END
check "the page of a run that fails" python3 "$dir/check.py" "$dir/bad.html"
check "the page of a run that passes" python3 "$dir/check.py" "$dir/good.html"
check "the page of a run whose other futures were tried" python3 -c '
import json, re, sys
run = json.loads(re.search(r"id=\"run\">(.*?)</script>", open(sys.argv[1]).read(), re.S).group(1))
curve = run["likelihood"]
assert len(curve) > 10 and 0 <= run["decided"] < len(curve) - 1
assert curve == sorted(curve) and all(0 <= alike <= tried > 0 for _, _, alike, tried in curve)
assert curve[-1][2] == curve[-1][3], "it has failed"
' "$dir/likely.html"
check "Chrome's trace" python3 -c '
import json, sys
events = json.load(open(sys.argv[1]))["traceEvents"]
kinds = [e["ph"] for e in events]
assert kinds.count("s") == kinds.count("f") > 50 and kinds.count("X") > 100
at = {(e["tid"], e["ts"]) for e in events if e["ph"] == "X"}
arrows = [e for e in events if e["ph"] in "sf" and e["tid"] > 0]
assert all((e["tid"], e["ts"]) in at for e in arrows), "an arrow begins and ends at an event"
' "$dir/bad.json"
check "ShiViz: a clock never steps back, and no message is received before it was sent" python3 -c '
import json, re, sys
lines = open(sys.argv[1]).read().splitlines()
seen = {}
for head, text in zip(lines[::2], lines[1::2]):
    host, clock = re.fullmatch(r"(\S*) ({.*})", head).groups()
    clock = json.loads(clock)
    assert clock[host] == seen.get(host, {}).get(host, 0) + 1
    assert all(clock.get(n, 0) >= t for n, t in seen.get(host, {}).items())
    assert all(t <= seen.get(n, {}).get(n, 0) for n, t in clock.items() if n != host)
    seen[host] = clock
assert len(seen) == 3
' "$dir/bad.shiviz"
check "text: a line per event, and the same columns in each" python3 -c '
import re, sys
lines = [line for line in open(sys.argv[1]) if re.match(r" *\d+ +\d+\.\d{6} n\d", line)]
assert len(lines) > 300
places = {tuple(i for i, c in enumerate(line) if c == "|") for line in lines}
assert len(places) == 1 and len(places.pop()) == 3
' "$dir/bad.txt"

browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome)
if [ -n "$browser" ]; then
    for page in bad good; do
        timeout 40 "$browser" --headless --no-sandbox --disable-gpu --user-data-dir="$dir/profile" \
            --virtual-time-budget=5000 --dump-dom "file://$dir/$page.html" >"$dir/$page.dom" 2>/dev/null
    done
fi
if [ -n "$browser" ] && [ -s "$dir/bad.dom" ] && [ -s "$dir/good.dom" ]; then
    check "a browser shows how each node stands" grep -q '<td>n3</td>.*<span class="pill' "$dir/bad.dom"
    check "and which rule was broken" grep -q '<b>breaks canary </b>crash number 2' "$dir/bad.dom"
    check "and what led to it" grep -q 'class="mono chain"><div class="here">' "$dir/bad.dom"
    check "and that nothing was" grep -q '<b>passed </b>' "$dir/good.dom"
else
    skipped=4
    echo "skipped: no chromium that runs here: the page was read, and not shown"
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
