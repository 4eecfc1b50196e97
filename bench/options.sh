# shellcheck shell=bash disable=SC2034 # what the scripts use
# Sourced by the scripts of this directory, in the root of the tree: takes --build DIR and --help out
# of the options. The other options are in `arguments`, the build is in `build`.
#
# Without --build, build/release is made anew by make_build, which the script calls when it is sure
# that it needs it; arguments of make_build are the groups of packages of scripts/deps.sh.

name=$(basename "$0" .sh)
build=
arguments=()
while [ $# -gt 0 ]; do
    case $1 in
    -h | --help)
        sed -n '2,/^set /{/^#/s/^# \?//p}' "$0"
        exit 0
        ;;
    --build)
        [ $# -ge 2 ] || { echo "$name: --build needs a directory" >&2; exit 2; }
        build=$2
        shift
        ;;
    *) arguments+=("$1") ;;
    esac
    shift
done

make_build() {
    [ -z "$build" ] || return 0
    build=build/release
    [ -n "${HALO_SKIP_DEPS:-}" ] || scripts/deps.sh "$@"
    HALO_SKIP_DEPS=1 scripts/build.sh release >&2
}
