#!/usr/bin/env bash
# Installs what halo needs on a Debian machine, and builds the wolfSSL it links.
#
#   scripts/deps.sh [set...]          sets: build (default), test, bench, demo, http1, accel, all
#   scripts/deps.sh --print-wolfssl   print the install prefix of wolfSSL, building it when it is not there
#   scripts/deps.sh --refresh ...     look for the wanted wolfSSL again where an older one is in use
#
# Running it again when nothing is missing takes well under a second and touches nothing.
#
# Environment:
#   HALO_CACHE            where wolfSSL is kept (default: ${XDG_CACHE_HOME:-$HOME/.cache}/halo)
#   HALO_WOLFSSL_SOURCE   a wolfSSL tarball or source tree to build instead of looking for one
#   HALO_SKIP_WOLFSSL=1   packages only (for -Dtls=disabled and -Dwolfssl=system)
set -euo pipefail

# The wanted release is pinned by content: the archive it comes from moves, and a build
# must not change because an archive did.
readonly WOLFSSL_VERSION=5.9.2
readonly WOLFSSL_SHA256=2f4ef3d4fd387a9b3191d36a6316d69116c46ff69bb9583b6c82b36d7b8ca114
readonly WOLFSSL_SUITE=sid
# What is taken when the wanted release cannot be had: the stable suite's, with its security patches.
readonly FALLBACK_VERSION=5.7.2
readonly FALLBACK_SUITE=trixie

readonly CACHE=${HALO_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/halo}

# libtool, autoconf and automake build wolfSSL; dpkg-dev unpacks the fallback's source package.
readonly SET_build="gcc libc6-dev binutils make meson ninja-build pkg-config liburing-dev
    ca-certificates autoconf automake libtool dpkg-dev patch xz-utils"
readonly SET_test="g++ clang libclang-rt-14-dev libcmocka-dev curl openssl nghttp2-client
    nghttp2-server nginx-light nodejs libnghttp2-dev valgrind python3 python3-hpack node-llhttp"
readonly SET_bench="h2o nginx-light nghttp2-client nghttp2-server libnghttp2-dev valgrind openssl
    curl python3"
readonly SET_demo="curl openssl ca-certificates"
# The parser of the HTTP/1.1 fallback (-Dhttp1=enabled), which the package carries as C source.
readonly SET_http1="node-llhttp"
# AES-GCM for long records (-Daccel=ipsec-mb); there is no such package but for x86-64.
readonly SET_accel="libipsec-mb-dev"

say() { printf 'deps: %s\n' "$*" >&2; }

die() {
    printf 'deps: error: %s\n' "$1" >&2
    shift
    local line
    for line in "$@"; do printf '      %s\n' "$line" >&2; done
    exit 1
}

# ---- packages -------------------------------------------------------------------------------

installed() {
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# A package counts as present when it, or something that does the same job, is there.
have_package() {
    case $1 in
    nodejs) command -v node >/dev/null || installed nodejs ;;
    python3) command -v python3 >/dev/null ;;
    nginx-light) command -v nginx >/dev/null || [ -x /usr/sbin/nginx ] ;;
    pkg-config) command -v pkg-config >/dev/null ;;
    # The run-time library of the sanitizers has the compiler's version in its name.
    libclang-rt-14-dev) compgen -G '/usr/lib/llvm-*/lib/clang/*/lib/linux/libclang_rt.asan-*.a' >/dev/null ;;
    *) installed "$1" ;;
    esac
}

# Debian 13 has another clang than Debian 12, hence another run-time package.
package_name() {
    if [ "$1" = libclang-rt-14-dev ] && ! grep -q '^VERSION_ID="\?12' /etc/os-release; then
        echo libclang-rt-dev
    else
        echo "$1"
    fi
}

POLICY_FILE=/usr/sbin/policy-rc.d
policy_written=
root_prefix=()

# Some of the test peers are packages of servers, which would be started when installed. The
# policy file is dpkg's own way to refuse that; a file that is there already is left as it is.
refuse_service_starts() {
    [ -e "$POLICY_FILE" ] && return
    printf '#!/bin/sh\nexit 101\n' | "${root_prefix[@]}" tee "$POLICY_FILE" >/dev/null
    "${root_prefix[@]}" chmod 755 "$POLICY_FILE"
    policy_written=1
}

allow_service_starts() {
    [ -n "$policy_written" ] || return 0
    "${root_prefix[@]}" rm -f "$POLICY_FILE"
    policy_written=
}

# Servers that were installed just now are not started at the next boot either; one that was
# there before is the administrator's.
keep_disabled() {
    command -v systemctl >/dev/null || return 0
    local package
    for package in "$@"; do
        case $package in
        nginx-light) package=nginx ;;
        h2o) ;;
        *) continue ;;
        esac
        "${root_prefix[@]}" systemctl disable --quiet "$package.service" >&2 ||
            say "note: the service $package is enabled and will start at the next boot"
    done
}

install_packages() {
    local missing=() package
    for package in "$@"; do
        have_package "$package" || missing+=("$(package_name "$package")")
    done
    [ ${#missing[@]} -gt 0 ] || return 0

    command -v apt-get >/dev/null ||
        die "this machine has no apt-get" "install the equivalents of: ${missing[*]}"
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null ||
            die "packages are missing and this is neither root nor is there a sudo" \
                "have an administrator run: apt-get install ${missing[*]}"
        root_prefix=(sudo)
    fi

    say "installing: ${missing[*]}"
    local apt=("${root_prefix[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q
        -o DPkg::Lock::Timeout=600 -o Dpkg::Use-Pty=0)
    "${apt[@]}" update >&2 || say "apt-get update failed; trying with the lists that are there"
    refuse_service_starts
    "${apt[@]}" install -y --no-install-recommends "${missing[@]}" >&2 ||
        die "apt-get could not install: ${missing[*]}" "see its messages above"
    allow_service_starts
    keep_disabled "${missing[@]}"
}

# ---- wolfSSL: where its source comes from ---------------------------------------------------

work=

cleanup() {
    local status=$?
    allow_service_starts
    if [ -n "$work" ]; then rm -rf "$work"; fi
    exit $status
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Prints deb822 stanzas for the sources of one suite, made from the machine's own package
# sources, so that mirrors, proxies and signing keys stay as the administrator set them.
# $1: the suite of the main archive, $2: "security" to add that suite's security archive.
derive_sources() {
    local codename file
    codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-stable}")
    for file in /etc/apt/sources.list.d/*.sources; do
        [ -r "$file" ] || continue
        sed -e '/^#/d' "$file"
        echo
    done | awk -v codename="$codename" -v suite="$1" -v security="${2:-}" '
        function flush(    i, n, list, wanted) {
            n = split(suites, list, /[ \t]+/)
            wanted = ""
            for (i = 1; i <= n; i++) {
                if (list[i] == codename || list[i] == "stable") wanted = suite
                else if (security != "" && list[i] ~ /-security$/) wanted = suite "-security"
            }
            if (wanted != "" && uris != "" && types ~ /deb/ && enabled !~ /no/) {
                printf "Types: deb-src\nURIs: %s\nSuites: %s\nComponents: main\n%s\n", uris, wanted, signed
            }
            types = uris = suites = signed = enabled = field = ""
        }
        /^[ \t]*$/ { flush(); next }
        /^[ \t]/ { if (field == "signed-by") signed = signed $0 "\n"
                   else if (field == "uris") uris = uris " " $0
                   else if (field == "suites") suites = suites " " $0
                   next }
        { field = tolower($0); sub(/:.*/, "", field); value = $0; sub(/^[^:]*:[ \t]*/, "", value)
          if (field == "types") types = value
          else if (field == "uris") uris = value
          else if (field == "suites") suites = value
          else if (field == "enabled") enabled = value
          else if (field == "signed-by") signed = $0 "\n" }
        END { flush() }'
    # The one-line format: deb [options] uri suite components...
    for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
        [ -r "$file" ] || continue
        cat "$file"
        echo
    done | awk -v codename="$codename" -v suite="$1" -v security="${2:-}" '
        $1 == "deb" {
            line = $0; options = ""
            sub(/^[ \t]*deb[ \t]+/, "", line)
            if (line ~ /^\[/) { options = line; sub(/\].*/, "", options); sub(/^\[[ \t]*/, "", options)
                                sub(/^\[[^]]*\][ \t]*/, "", line) }
            split(line, part, /[ \t]+/)
            wanted = ""
            if (part[2] == codename || part[2] == "stable") wanted = suite
            else if (security != "" && part[2] ~ /-security$/) wanted = suite "-security"
            if (wanted == "") next
            signed = ""
            n = split(options, option, /[ \t]+/)
            for (i = 1; i <= n; i++)
                if (option[i] ~ /^signed-by=/) { signed = option[i]; sub(/^signed-by=/, "Signed-By: ", signed) }
            printf "Types: deb-src\nURIs: %s\nSuites: %s\nComponents: main\n%s\n\n", part[1], wanted, signed
        }'
}

# Machines often name an archive in both formats, one of them without its key; apt refuses to see
# the same archive with two keys, so the first stanza stands for all.
drop_repeated() {
    awk 'BEGIN { RS = ""; ORS = "\n\n" }
        { key = $0; sub(/\nSigned-By:.*/, "", key); gsub(/\/*[ \t]*\n/, "\n", key)
          if (!seen[key]++) print }'
}

# Fetches the wolfSSL source package of one suite into directory $1 by a private package list;
# nothing of the machine's own apt state is read for it or changed by it.
# $2: suite, $3: "security" or "", then options of `apt-get source`.
fetch_from_archive() {
    local into=$1 suite=$2 security=$3 private=$work/apt
    shift 3
    command -v apt-get >/dev/null || return 1
    rm -rf "$private"
    mkdir -p "$into" "$private/sources" "$private/lists/partial" "$private/archives/partial"
    derive_sources "$suite" "$security" | drop_repeated >"$private/sources/halo.sources"
    if [ ! -s "$private/sources/halo.sources" ]; then
        say "found no Debian archive among this machine's package sources"
        return 1
    fi
    local options=(-q -o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$private/sources"
        -o "Dir::State::Lists=$private/lists" -o "Dir::Cache=$private"
        -o "Dir::Cache::Archives=$private/archives" -o APT::Sandbox::User="$(id -un)"
        -o Acquire::Languages=none)
    # A source that cannot be reached is apt's warning, not its failure; what matters is whether
    # the package comes.
    apt-get "${options[@]}" update >"$private/log" 2>&1 || true
    if ! (cd "$into" && apt-get "${options[@]}" source --download-only "$@" wolfssl >>"$private/log" 2>&1); then
        sed -n '/^[EW]:/s/^/deps:   /p' "$private/log" >&2
        return 1
    fi
}

sha256_of() { sha256sum "$1" | cut -d' ' -f1; }

# The pinned tarball, from the cache or from the archive. Sets source_tarball.
find_pinned() {
    source_tarball=$CACHE/wolfssl_$WOLFSSL_VERSION.orig.tar.gz
    if [ -f "$source_tarball" ]; then
        [ "$(sha256_of "$source_tarball")" = "$WOLFSSL_SHA256" ] && return 0
        say "$source_tarball does not have the expected checksum; fetching it again"
        rm -f "$source_tarball"
    fi
    say "fetching the source of wolfSSL $WOLFSSL_VERSION from the suite $WOLFSSL_SUITE"
    local into=$work/pinned found
    # Only the tarball: the packaging files are not needed, and may be gone while it is there.
    fetch_from_archive "$into" "$WOLFSSL_SUITE" "" --tar-only || return 1
    found=$into/wolfssl_$WOLFSSL_VERSION.orig.tar.gz
    if [ ! -f "$found" ]; then
        say "the suite $WOLFSSL_SUITE has another release now: $(ls "$into")"
        return 1
    fi
    if [ "$(sha256_of "$found")" != "$WOLFSSL_SHA256" ]; then
        say "what was fetched does not have the expected checksum"
        return 1
    fi
    mkdir -p "$CACHE"
    cp "$found" "$source_tarball.tmp.$$"
    mv "$source_tarball.tmp.$$" "$source_tarball"
}

# The fallback's source package, unpacked with the distribution's patches. Sets source_tree.
find_fallback() {
    say "fetching the source of wolfSSL $FALLBACK_VERSION from the suite $FALLBACK_SUITE"
    local into=$work/fallback dsc
    fetch_from_archive "$into" "$FALLBACK_SUITE" security || return 1
    dsc=$(ls "$into"/wolfssl_"$FALLBACK_VERSION"*.dsc 2>/dev/null | tail -n 1)
    if [ -z "$dsc" ]; then
        say "the suite $FALLBACK_SUITE has another release now: $(ls "$into")"
        return 1
    fi
    source_tree=$into/tree
    # apt has checked the files against the signed index already.
    dpkg-source --no-check -x "$dsc" "$source_tree" >"$work/unpack.log" 2>&1 || {
        sed 's/^/deps:   /' "$work/unpack.log" >&2
        return 1
    }
}

# ---- wolfSSL: the build ---------------------------------------------------------------------

older_than() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" != "$2" ]; }

# Lean on purpose: without the OpenSSL compatibility layer, kept peer certificates and session
# certificates a connection needs a twelfth of the memory that the distribution's build needs.
# $1: version
configure_options() {
    local options=(--enable-static --disable-shared --with-pic
        --enable-sp-math-all --enable-tls13 --enable-alpn --enable-sni
        --enable-session-ticket --enable-curve25519 --enable-ed25519 --enable-chacha
        --enable-ocsp --enable-ocspstapling --enable-crl --enable-enckeys --enable-cryptocb
        --enable-harden --disable-oldtls --disable-examples --disable-crypttests)
    # Older releases have no ML-KEM, and their configure stops at options that it does not know.
    older_than "$1" 5.8.0 || options+=(--disable-mlkem)
    case $(uname -m) in
    x86_64) options+=(--enable-intelasm --enable-sp=yes,asm) ;;
    aarch64) options+=(--enable-armasm --enable-sp=yes,asm) ;;
    *) options+=(--enable-sp=yes) ;;
    esac
    printf '%s\n' "${options[@]}"
}

# Sections per function, so that what a program does not use can be dropped when it is linked.
readonly WOLFSSL_CFLAGS="-O2 -fPIC -ffunction-sections -fdata-sections -fvisibility=hidden \
-DHAVE_SECRET_CALLBACK -DWOLFSSL_GETRANDOM=1 -DHAVE_EXT_CACHE -DWOLFSSL_ALWAYS_VERIFY_CB"

# The prefix of one version: named by everything that decides what is in it.
# $1: version, $2: what identifies a source other than the usual ones.
prefix_of() {
    local key
    key=$( (configure_options "$1"; echo "$WOLFSSL_CFLAGS"; uname -m; echo "${2:-}") | sha256sum | cut -c1-12)
    echo "$CACHE/wolfssl-$1-$(uname -m)-$key"
}

prefix_ready() { [ -f "$1/lib/libwolfssl.a" ] && [ -f "$1/include/wolfssl/options.h" ]; }

tree_version() {
    sed -n 's/^AC_INIT(\[wolfssl\],\[\([0-9.]*\)\].*/\1/p; s/^AC_INIT(\[wolfssl\], *\[\([0-9.]*\)\].*/\1/p' \
        "$1/configure.ac" | head -n 1
}

run_logged() {
    local log=$CACHE/wolfssl-build.log
    echo "+ $*" >>"$log"
    if ! "$@" >>"$log" 2>&1 </dev/null; then
        tail -n 25 "$log" | sed 's/^/deps:   /' >&2
        die "building wolfSSL failed at: $1" "the whole log is $log"
    fi
}

# Builds source tree $1 into prefix $2. The prefix appears at once and complete, or not at all.
build_wolfssl() {
    local tree=$1 prefix=$2 version tool options
    for tool in gcc make autoconf automake libtoolize; do
        command -v "$tool" >/dev/null || die "$tool is missing" "run: scripts/deps.sh build"
    done
    version=$(tree_version "$tree")
    say "building wolfSSL $version (about a minute)"
    mkdir -p "$CACHE"
    : >"$CACHE/wolfssl-build.log"
    mapfile -t options < <(configure_options "$version")
    (
        cd "$tree"
        [ -x configure ] || run_logged ./autogen.sh
        run_logged ./configure --prefix="$prefix" "${options[@]}" CC=gcc CFLAGS="$WOLFSSL_CFLAGS"
        run_logged make -j"$(nproc)"
        run_logged make install DESTDIR="$work/stage"
    ) || exit 1
    printf 'wolfSSL %s\n%s\nCFLAGS=%s\n' "$version" "${options[*]}" "$WOLFSSL_CFLAGS" \
        >"$work/stage$prefix/halo-build.txt"
    local file
    for file in COPYING LICENSING LICENSING.md; do
        [ ! -f "$tree/$file" ] || cp "$tree/$file" "$work/stage$prefix/"
    done
    rm -rf "$prefix"
    mv "$work/stage$prefix" "$prefix"
    rm -rf "$work/stage"
}

# Sets wolfssl_prefix and wolfssl_version for a source that the user named.
use_named_source() {
    local named=$HALO_WOLFSSL_SOURCE identity tree=$work/named
    if [ -d "$named" ]; then
        [ -f "$named/configure.ac" ] || die "HALO_WOLFSSL_SOURCE=$named is not a wolfSSL source tree"
        # A tree may be edited at any time; what its sources hold is its name.
        identity=$(cd "$named" && find . -name '*.[chS]' -type f -print0 | sort -z |
            xargs -0 sha256sum | sha256sum | cut -d' ' -f1)
        wolfssl_version=$(tree_version "$named")
    elif [ -f "$named" ]; then
        identity=$(sha256_of "$named")
        mkdir -p "$tree"
        tar -xf "$named" -C "$tree" --strip-components=1 || die "cannot unpack HALO_WOLFSSL_SOURCE=$named"
        [ -f "$tree/configure.ac" ] || die "HALO_WOLFSSL_SOURCE=$named does not hold wolfSSL's source"
        wolfssl_version=$(tree_version "$tree")
        # The pinned tarball is the usual source, wherever it came from.
        [ "$identity" != "$WOLFSSL_SHA256" ] || identity=
    else
        die "HALO_WOLFSSL_SOURCE=$named is neither a tarball nor a directory"
    fi
    [ -n "$wolfssl_version" ] || die "cannot tell the version of HALO_WOLFSSL_SOURCE=$named"
    wolfssl_prefix=$(prefix_of "$wolfssl_version" "$identity")
    prefix_ready "$wolfssl_prefix" && return
    if [ -d "$named" ]; then
        # Built in a copy: the tree is the user's.
        mkdir -p "$tree"
        cp -a "$named/." "$tree/"
    fi
    build_wolfssl "$tree" "$wolfssl_prefix"
}

# Two runs at once must not build the same thing in each other's way. What is built is made in
# the cache itself, so that moving it to its place is one rename.
enter_cache() {
    mkdir -p "$CACHE" || die "cannot make the directory $CACHE" "name another one by HALO_CACHE"
    exec 9>"$CACHE/lock"
    flock 9
    # Left by runs that were killed: whoever holds the lock is the only one at work.
    rm -rf "$CACHE"/work.*
    work=$(mktemp -d "$CACHE/work.XXXXXX")
}

# Sets wolfssl_prefix and wolfssl_version, and builds when it has to.
ensure_wolfssl() {
    if [ -n "${HALO_WOLFSSL_SOURCE:-}" ]; then
        enter_cache
        use_named_source
        return
    fi
    wolfssl_version=$WOLFSSL_VERSION
    wolfssl_prefix=$(prefix_of "$WOLFSSL_VERSION")
    prefix_ready "$wolfssl_prefix" && return

    enter_cache
    prefix_ready "$wolfssl_prefix" && return
    local fallback
    fallback=$(prefix_of "$FALLBACK_VERSION")
    if [ -z "$refresh" ] && prefix_ready "$fallback" &&
        [ ! -f "$CACHE/wolfssl_$WOLFSSL_VERSION.orig.tar.gz" ]; then
        wolfssl_version=$FALLBACK_VERSION
        wolfssl_prefix=$fallback
        return
    fi

    if find_pinned; then
        mkdir -p "$work/tree"
        tar -xf "$source_tarball" -C "$work/tree" --strip-components=1
        build_wolfssl "$work/tree" "$wolfssl_prefix"
        return
    fi
    say "wolfSSL $WOLFSSL_VERSION cannot be had; falling back to $FALLBACK_VERSION"
    wolfssl_version=$FALLBACK_VERSION
    wolfssl_prefix=$fallback
    prefix_ready "$wolfssl_prefix" && return
    find_fallback ||
        die "no source of wolfSSL is to be had" \
            "looked at: $CACHE/wolfssl_$WOLFSSL_VERSION.orig.tar.gz," \
            "           the suites $WOLFSSL_SUITE and $FALLBACK_SUITE of this machine's Debian archive" \
            "what helps: download wolfSSL $WOLFSSL_VERSION and set HALO_WOLFSSL_SOURCE to its tarball or tree," \
            "            or configure with -Dwolfssl=system (slow, large) or -Dtls=disabled (no TLS)"
    build_wolfssl "$source_tree" "$wolfssl_prefix"
}

report_wolfssl() {
    say "wolfSSL $wolfssl_version in $wolfssl_prefix"
    older_than "$wolfssl_version" "$WOLFSSL_VERSION" || return 0
    say "warning: this is older than $WOLFSSL_VERSION. Known holes that may be open in it:"
    say "  CVE-2026-3547 (reads out of bounds in ALPN parsing), CVE-2025-11936 (leaks on duplicate key shares)."
    say "  halo checks ClientHellos itself before wolfSSL sees them, which covers both; session resumption stays off."
}

# ---- the command line -----------------------------------------------------------------------

refresh=
print_only=
sets=()
for argument in "$@"; do
    case $argument in
    --print-wolfssl) print_only=1 ;;
    --refresh) refresh=1 ;;
    build | test | bench | demo | http1) sets+=("$argument") ;;
    accel)
        [ "$(uname -m)" = x86_64 ] ||
            die "the accelerator (libipsec-mb) is for x86-64; this machine is $(uname -m)"
        sets+=(accel)
        ;;
    all)
        sets+=(build test bench demo http1)
        [ "$(uname -m)" != x86_64 ] || sets+=(accel)
        ;;
    -h | --help)
        sed -n '2,/^set /{/^#/s/^# \?//p}' "$0"
        exit 0
        ;;
    *) die "unknown argument: $argument" "sets are: build test bench demo http1 accel all" ;;
    esac
done

if [ -n "$print_only" ]; then
    ensure_wolfssl
    echo "$wolfssl_prefix"
    exit 0
fi

[ ${#sets[@]} -gt 0 ] || sets=(build)
packages=
for set in "${sets[@]}"; do
    name=SET_$set
    packages+=" ${!name}"
done
# shellcheck disable=SC2086 # the sets are lists of words
install_packages $(printf '%s\n' $packages | sort -u)

case " ${sets[*]} " in
*" build "*)
    if [ -z "${HALO_SKIP_WOLFSSL:-}" ]; then
        ensure_wolfssl
        report_wolfssl
    fi
    ;;
esac
