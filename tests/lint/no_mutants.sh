#!/bin/sh
# no_mutants.sh SERVER [MUTANTS] -- the production binary holds no known bug; the mutation bench's does (a control).
set -eu
if grep -q mutant_active "$1"; then
    echo "$1: mutant_active is in it"
    exit 1
fi
if [ $# -gt 1 ] && ! grep -q mutant_active "$2"; then
    echo "$2: mutant_active is not in it, so this check would see nothing"
    exit 1
fi
