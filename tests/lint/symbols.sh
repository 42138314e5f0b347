#!/bin/sh
# symbols.sh LIST ARCHIVE -- all that the archive of the core needs from outside must be exactly what LIST names.
#
# This is what makes purity a fact: no clock, socket, file, heap or thread can get in without a line in that list.
set -eu
list=$1 archive=$2
scratch=$(mktemp -d) && trap 'rm -rf "$scratch"' EXIT
export LC_ALL=C
nm -g "$archive" >"$scratch/nm"
awk 'NF == 2 && $1 ~ /^[Uvw]$/ { print $2 }' "$scratch/nm" | sort -u >"$scratch/undefined"
awk 'NF == 3 { print $3 }' "$scratch/nm" | sort -u >"$scratch/defined"
[ -s "$scratch/defined" ] || { echo "$archive: defines nothing" && exit 1; }
comm -23 "$scratch/undefined" "$scratch/defined" >"$scratch/got"
sed -e 's/#.*//' -e 's/[[:space:]]*$//' -e '/^$/d' "$list" | sort -u >"$scratch/want"
cmp -s "$scratch/want" "$scratch/got" && exit 0
comm -13 "$scratch/want" "$scratch/got" | sed "s|.*|the core now needs & from outside, and $list does not allow it|"
comm -23 "$scratch/want" "$scratch/got" | sed "s|.*|the core no longer needs &: delete it from $list|"
while read -r symbol; do
    nm -A -g "$archive" | grep " U $symbol\$" | head -n 3
done <"$scratch/got" | grep -v -F -w -f "$scratch/want" || :
exit 1
