#!/bin/sh
# library.sh LIBRAFT.A OUT.A -- a copy of canonical/raft's archive in which raft_x is libraft_x: our engine has the
# same names (library.h says the same to the compiler).
set -eu
symbols=$(mktemp)
trap 'rm -f "$symbols"' EXIT
nm "$1" 2>/dev/null | awk '$3 ~ /^raft_/ { print $3 " lib" $3 }' | sort -u >"$symbols"
objcopy --redefine-syms="$symbols" "$1" "$2"
