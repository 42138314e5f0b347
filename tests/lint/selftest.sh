#!/bin/sh
# selftest.sh FLOORS TEXT -- each linter must find what is planted for it, and let the innocent pass.
set -u
floors=$1 text=$2 passed=0 failed=0
here=$(cd "$(dirname "$0")" && pwd)
scratch=$(mktemp -d) && trap 'rm -rf "$scratch"' EXIT

expect() { # CODE WHY COMMAND...
    want=$1 why=$2
    shift 2
    out=$("$@" 2>&1) && got=0 || got=$?
    if [ "$got" = "$want" ]; then passed=$((passed + 1)); else
        failed=$((failed + 1))
        echo "$why: exit code $got, expected $want: $out"
    fi
}
plant() { # FILE CONTENT: a tree with just this file in it.
    rm -rf "$scratch/tree" && mkdir -p "$scratch/tree/$(dirname "$1")" && printf '%b' "$2" >"$scratch/tree/$1"
}
floor() { # CODE WHY FILE INCLUDE
    plant "$3" "#include $4\n"
    expect "$1" "$2" "$floors" "$scratch/tree"
}
words() { # CODE WHY FILE CONTENT [EXCEPTIONS]
    plant "$3" "$4"
    mkdir -p "$scratch/tree/tests/lint" && printf '%b' "${5-}" >"$scratch/tree/tests/lint/exceptions.txt"
    expect "$1" "$2" "$text" "$scratch/tree"
}

floor 0 "down"                           core/log/a.c     '"wal/b.h"'
floor 0 "own room"                       core/log/a.c     '"log/b.h"'
floor 0 "the roof knows all"             core/node.c      '"broker/b.h"'
floor 0 "a pure header"                  core/log/a.c     '<stdint.h>'
floor 0 "a wrapper may know its library" core/codec/external/a.c '<zstd.h>'
floor 1 "a wrapper is of codec's floor"  core/codec/external/a.c '"wal/b.h"'
floor 0 "the generator has own headers"  core/codec/schema/a.c '"b.h"'
floor 1 "and is of codec's floor"        core/codec/schema/a.c '"wal/b.h"'
floor 1 "up"                             core/wal/a.c     '"log/b.h"'
floor 1 "up, spaced out"                 core/wal/a.h     '   "log/b.h"'
floor 1 "up to the roof"                 core/broker/a.c  '"node.h"'
floor 1 "own room, not from core/"       core/log/a.c     '"b.h"'
floor 1 "sideways"                       core/raft/a.c    '"meta/b.h"'
floor 1 "climbing"                       core/wal/a.c     '"../log/b.h"'
floor 1 "core leaves itself"             core/node.c      '"runtime/b.h"'
floor 1 "the C library"                  core/log/a.c     '<string.h>'
floor 1 "a room nobody knows"            core/attic/a.c   '"base/b.h"'
floor 1 "to a room nobody knows"         core/node.c      '"attic/b.h"'
floor 0 "runtime knows core"             runtime/a.c      '"base/b.h"'
floor 1 "runtime does not know sim"      runtime/a.c      '"sim/b.h"'
floor 1 "sim does not know runtime"      sim/a.c          '"runtime/b.h"'
floor 1 "sim does not know tests"        sim/a.c          '"tests/t.h"'
floor 0 "tests know both"                tests/a.c        '"runtime/b.h"'
floor 0 "a system header in runtime"     runtime/a.c      '<string.h>'
floor 1 "nothing read is no success"     docs/a.c         '"base/b.h"'

body() { seq "$1" | sed 's/.*/    x();/'; }
long=$(printf '%0121d' 0)
word="TO""DO"
words 0 "innocent"                        core/a.c "int f(void)\n{\n    return 0;\n}\n"
words 0 "120 characters"                  core/a.c "${long#0}\n"
words 1 "121 characters"                  core/a.c "$long\n"
words 0 "121 in prose"                    docs/a.md "$long\n"
words 1 "a left-over word"                docs/a.md "$word\n"
words 1 "a path of one machine"           tests/a.sh "cd /ho""me/me\n"
words 1 "a host of a registry"            zigw "curl registry.""npm""js.org\n"
words 1 "blanks at the end"               core/a.c "int x; \n"
words 1 "no newline at the end"           core/a.c "int x;"
words 1 "a carriage return"               core/a.c "int x;\r\n"
words 0 "a function of 70 lines"          core/a.c "int f(void)\n{\n$(body 68)\n}\n"
words 1 "a function of 71 lines"          core/a.c "int f(void)\n{\n$(body 69)\n}\n"
words 0 "71, listed"                      core/a.c "int f(void)\n{\n$(body 69)\n}\n" "core/a.c f 71 a table\n"
words 2 "71, listed without a reason"     core/a.c "int f(void)\n{\n$(body 69)\n}\n" "core/a.c f 71\n"
words 1 "72, listed with 71"              core/a.c "int f(void)\n{\n$(body 70)\n}\n" "core/a.c f 71 a table\n"
words 1 "listed and no longer needed"     core/a.c "int f(void)\n{\n}\n" "core/a.c f 71 a table\n"
words 0 "a file of 700 lines"             core/a.c "$(seq 700 | sed 's/.*/int x;/')\n"
words 1 "a file of 701 lines"             core/a.c "$(seq 701 | sed 's/.*/int x;/')\n"
words 0 "a test's function"               core/a.c "TEST(f)\n{\n$(body 69)\n}\n" "core/a.c f 71 a table\n"

# An archive by any compiler will do here.
printf 'int needed(void);\nint own(void) { return needed(); }\n' >"$scratch/a.c"
printf 'int own(void);\nint other(void) { return own(); }\n' >"$scratch/b.c"
(cd "$scratch" && clang -c a.c b.c && ar qcs a.a a.o b.o) || failed=$((failed + 1))
symbols() { # CODE WHY LIST
    printf '%b' "$3" >"$scratch/list"
    expect "$1" "$2" sh "$here/symbols.sh" "$scratch/list" "$scratch/a.a"
}
symbols 0 "the list is what it needs"    '# why\nneeded # because\n'
symbols 1 "it needs more than is listed" ''
symbols 1 "the list allows more"         'needed\nsocket\n'

printf 'mutant_active' >"$scratch/with" && printf 'innocent' >"$scratch/without"
expect 0 "no mutant in it"               sh "$here/no_mutants.sh" "$scratch/without" "$scratch/with"
expect 1 "a mutant in it"                sh "$here/no_mutants.sh" "$scratch/with" "$scratch/with"
expect 1 "the control has none"          sh "$here/no_mutants.sh" "$scratch/without" "$scratch/without"

bug() { # CODE WHY CODE-LINE ROW TEST SCHEDULE
    plant core/a.c "$3\n"
    mkdir -p "$scratch/tree/sim" "$scratch/tree/tests"
    printf '%b' "    X(other, \"another\", DIES) \\\\\n$4" >"$scratch/tree/sim/mutants.c"
    printf 'x = MUTANT(other);\n' >"$scratch/tree/core/b.h"
    : >"$scratch/tree/sim/raft_mutants.c"
    printf '%b' "# why\n${5-}" >"$scratch/tree/tests/mutants.txt"
    mkdir "$scratch/tree/tests/schedules" && printf '%b' "${6-}" >"$scratch/tree/tests/schedules/old"
    expect "$1" "$2" sh "$here/mutants.sh" "$scratch/tree"
}
bug 0 "a bug and its row"                'f(MUTANT(m1));' '    X(m1, "x",\n      DIES)\n'
bug 1 "a bug without a row"              'f(MUTANT(m1) || MUTANT(m2));' '    X(m2, "x", DIES)\n'
bug 1 "a row without a bug"              'f(MUTANT(m1));' '    X(m1, "x", DIES)\n    X(m2, "y", DIES)\n'
bug 1 "two rows for one bug"             'f(MUTANT(m1));' '    X(m1, "x", DIES)\n    X(m1, "x", DIES)\n'
bug 0 "left to a test that is named"     'f(MUTANT(m1));' '    X(m1, "x",\n      DIES_IN_TEST)\n' 'm1 test_x\n'
bug 1 "left to no test"                  'f(MUTANT(m1));' '    X(m1, "x", DIES_IN_TEST)\n'
bug 0 "open, and left to a test"         'f(MUTANT(m1));' '    X(m1, "x", OPEN)\n' 'm1 test_x\n'
bug 1 "open, and left to nothing"        'f(MUTANT(m1));' '    X(m1, "x", OPEN)\n'
bug 0 "open, and left to a schedule"     'f(MUTANT(m1));' '    X(m1, "x", OPEN)\n' '' 'seed 1\nmutant m1\n'
bug 1 "a test for what is not left to it" 'f(MUTANT(m1));' '    X(m1, "x", DIES)\n' 'm1 test_x\n'

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
