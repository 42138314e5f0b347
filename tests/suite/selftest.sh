#!/bin/sh
# selftest.sh SUITE -- what suite.c makes of jobs of every kind: its exit code, its last line, and what it shows.
set -u
suite=$1 passed=0 failed=0
unset CHRONIK_TEST_SUM

expect() { # CODE LAST-LINE SHOWN WHY ARG...
    code=$1 last=$2 shown=$3 why=$4
    shift 4
    out=$("$suite" "$@" 2>&1) && got=0 || got=$?
    if [ "$got" = "$code" ] && [ "$(echo "$out" | tail -n 1)" = "$last" ] && echo "$out" | grep -q "$shown"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "$why: expected exit code $code and '$last' and '$shown', got $got and: $out"
    fi
}

expect 0 "1 passed, 0 failed" "ok  "      "exit code 0 is passed"        : a 9 true
expect 1 "0 passed, 1 failed" "FAILED"    "another is failed"            : a 9 false
expect 0 "0 passed, 0 failed, 1 skipped" "skipped a" "77 is skipped"     : a 9 sh -c 'exit 77'
expect 0 "3 passed, 0 failed" "3 passed"  "a sum counts"                 : a 9 echo "3 passed, 0 failed"
expect 0 "3 passed, 0 failed, 2 skipped" "a: skipped: x" "so do the skipped, and they are shown" \
    : a 9 sh -c 'echo "skipped: x"; echo "3 passed, 0 failed, 2 skipped"'
expect 1 "3 passed, 2 failed" "FAILED"    "a failed sum"                 : a 9 sh -c 'echo 3 passed, 2 failed; exit 1'
expect 1 "3 passed, 2 failed" "FAILED"    "also without an exit code"    : a 9 echo "3 passed, 2 failed"
expect 1 "3 passed, 1 failed" "exit code 1" "an exit code without a failed check" \
    : a 9 sh -c 'echo 3 passed, 0 failed; exit 1'
# shellcheck disable=SC2016 # $$ is that of the job.
expect 1 "3 passed, 1 failed" "by signal" "a crash after the sum" \
    : a 9 sh -c 'echo 3 passed, 0 failed; kill -9 $$'
expect 0 "1 passed, 0 failed" "ok  "      "more on the line is no sum"   : a 9 echo "3 passed, 0 failed, or so"
expect 1 "0 passed, 1 failed" "why it is" "a failed job shows its stderr" : a 9 sh -c 'echo why it is >&2; exit 1'
expect 1 "0 passed, 1 failed" "longer than" "a job that takes too long"  : a 0.2 sleep 5
expect 1 "0 passed, 1 failed" "nothere"   "a command that is not there"  : a 9 ./nothere
expect 1 "5 passed, 1 failed, 1 skipped" "ok  " "all of them are summed" \
    : a 9 true : b 9 false :alone c 9 true :fixed d 9 echo "3 passed, 0 failed" : e 9 sh -c 'exit 77'
expect 0 "1 passed, 0 failed" "ok  "      "a part by name"               --only b : a 9 false : b 9 true
expect 1 "0 passed, 1 failed" "no check"  "nothing has that name"        --only c : a 9 true : b 9 true
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
