#!/usr/bin/env bash
# Builds halo into build/TYPE.
#
#   scripts/build.sh [type...]     default: release
#
# Types:
#   release    -O2, what is measured and installed
#   accel      the same with -Daccel=ipsec-mb (scripts/deps.sh accel; x86-64)
#   debug      -O0 -g, with the debug checks
#   asan       address and undefined-behaviour sanitizers; with HTTP/1.1 where node-llhttp is there,
#              and with the accelerator where libipsec-mb-dev is
#   tsan       thread sanitizer
#   coverage   gcc's coverage counters
#   clang      release by clang; with HTTP/1.1 and the accelerator like asan
#   h2c        release without TLS: needs no wolfSSL
#   fuzz       the libFuzzer targets, by clang; with HTTP/1.1 where node-llhttp is there
#
# Environment:
#   HALO_SKIP_DEPS=1   do not look for missing packages first
#   HALO_WOLFSSL       "system" or an install prefix, instead of the one of scripts/deps.sh
#   HALO_JOBS          parallel compilations (default: one per processor)
#   CC                 the compiler of the types that do not name one (default: gcc)
set -euo pipefail
cd "$(dirname "$0")/.."

# Sets compiler and options for one type.
describe_type() {
    compiler=${CC:-gcc}
    tls=1
    local accel=none
    if [ "$(uname -m)" = x86_64 ] && [ -f /usr/include/intel-ipsec-mb.h ]; then accel=ipsec-mb; fi
    case $1 in
    release) options=(--buildtype=release -Doptimization=3) ;;
    accel) options=(--buildtype=release -Doptimization=3 -Daccel=ipsec-mb) ;;
    debug) options=(--buildtype=debug) ;;
    asan) options=(--buildtype=debug -Doptimization=1 -Db_sanitize=address,undefined -Dhttp1=auto "-Daccel=$accel") ;;
    tsan) options=(--buildtype=debug -Doptimization=1 -Db_sanitize=thread) ;;
    # Without optimization: a branch of the source is then a branch that is counted.
    coverage) options=(--buildtype=debug -Doptimization=0 -Db_coverage=true) ;;
    clang)
        compiler=clang
        options=(--buildtype=release -Doptimization=3 -Dhttp1=auto "-Daccel=$accel")
        ;;
    h2c)
        tls=
        options=(--buildtype=release -Doptimization=3 -Dtls=disabled)
        ;;
    fuzz)
        compiler=clang
        options=(--buildtype=debug -Doptimization=1 -Db_sanitize=address,undefined -Db_lundef=false -Dfuzz=true -Dhttp1=auto)
        ;;
    *)
        echo "build: unknown type: $1 (release accel debug asan tsan coverage clang h2c fuzz)" >&2
        exit 2
        ;;
    esac
}

build_type() {
    local directory=build/$1 described
    describe_type "$1"
    if [ -n "$tls" ]; then
        if [ -z "${HALO_WOLFSSL:-}" ]; then
            HALO_WOLFSSL=$(scripts/deps.sh --print-wolfssl)
        fi
        options+=("-Dwolfssl=$HALO_WOLFSSL")
    fi
    # Tests are built where they can be; scripts/deps.sh test installs cmocka.
    if pkg-config --exists cmocka; then
        options+=(-Dtests=enabled)
    else
        options+=(-Dtests=disabled)
    fi

    # Ninja configures again by itself when a meson.build changes; here it is only for options.
    described="$compiler ${options[*]}"
    if [ ! -f "$directory/build.ninja" ]; then
        rm -rf "$directory"
        CC=$compiler meson setup "${options[@]}" "$directory"
    elif [ "$(cat "$directory/.halo-options" 2>/dev/null)" != "$described" ]; then
        CC=$compiler meson setup --reconfigure "${options[@]}" "$directory"
    fi
    echo "$described" >"$directory/.halo-options"
    ninja -C "$directory" -j "${HALO_JOBS:-$(nproc)}"
}

types=("$@")
[ ${#types[@]} -gt 0 ] || types=(release)
for type in "${types[@]}"; do describe_type "$type"; done

if [ -z "${HALO_SKIP_DEPS:-}" ]; then
    # What is not going to be linked need not be built.
    needs_wolfssl=
    for type in "${types[@]}"; do
        describe_type "$type"
        [ -z "$tls" ] || needs_wolfssl=1
    done
    if [ -n "$needs_wolfssl" ] && [ -z "${HALO_WOLFSSL:-}" ]; then
        scripts/deps.sh build
    else
        HALO_SKIP_WOLFSSL=1 scripts/deps.sh build
    fi
fi

for type in "${types[@]}"; do build_type "$type"; done
