#!/bin/sh
# format.sh --check | --fix ZIG -- clang-format and zig fmt over all sources.
# Exit 77: another clang-format than the pinned one, which has another taste.
set -eu
mode=$1 zig=$2 wanted=14
clang_format=clang-format-$wanted
command -v $clang_format >/dev/null 2>&1 || clang_format=clang-format
have=$($clang_format --version 2>/dev/null | sed -n 's/.*version \([0-9]*\).*/\1/p')
sources() {
    for dir in core runtime sim fuzz tests; do
        [ ! -d $dir ] || find $dir -name '*.[ch]' -not -path '*/node_modules/*' -print0
    done
}
if [ "$mode" = --fix ]; then "$zig" fmt build.zig >/dev/null; else "$zig" fmt --check build.zig; fi
if [ "$have" != $wanted ]; then
    echo "skipped: clang-format $wanted is the one that counts, here is '${have:-none}'"
    exit 77
fi
if [ "$mode" = --fix ]; then
    sources | xargs -0 $clang_format -i
else
    wrong=$(sources | xargs -0 $clang_format --dry-run 2>&1 | sed -n 's/:[0-9]*:[0-9]*: .*//p' | sort -u)
    [ -z "$wrong" ] || { echo "$wrong" | sed 's/$/: not as ".\/zigw build fmt" would have it/' && exit 1; }
fi
