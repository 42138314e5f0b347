#!/bin/sh
# hunt-parallel.sh HOSTS SECONDS -- a hunt on the machines of a file of GNU parallel (--sshloginfile), one per machine;
# their results end up in ./hunt, merged. Each machine has the repository built in its home directory, in chronik/.
set -eu
hosts=$1 seconds=$2
parallel --sshloginfile "$hosts" --jobs 1 --nonall --tag --line-buffer \
    "cd chronik && mkdir -p found && zig-out/bin/chronik-sim hunt --progress --jobs \$(nproc) --time-budget $seconds \
        --dir found/\$(hostname) --first-seed \$(( \$(hostname | cksum | cut -d' ' -f1) * 1000000000 + 1 ))" || :
mkdir -p hunt
parallel --sshloginfile "$hosts" --jobs 1 --nonall --plain \
    "cat chronik/found/\$(hostname)/results.jsonl" >hunt/results.jsonl
zig-out/bin/chronik-sim hunt --page --dir hunt
