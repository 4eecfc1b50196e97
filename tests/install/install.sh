#!/usr/bin/env bash
# Installs a build into an empty directory and builds an application against it, with nothing
# but what pkg-config says.
#
#   install.sh BUILD_DIRECTORY PREFIX LIBDIR embedded|system
#
# embedded: libhalo.a holds the libraries it uses, so their names are free for the application.
set -euo pipefail

build=$1
prefix=$2
libdir=$3
own_names=
[ "$4" != embedded ] || own_names=-DOWN_NAMES
source=$(cd "$(dirname "$0")" && pwd)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

meson install -C "$build" --no-rebuild --quiet --destdir "$work/stage"

installed=$work/stage$prefix
[ -f "$installed/$libdir/libhalo.a" ] || { echo "libhalo.a is not installed"; exit 1; }
for header in "$source"/../../include/halo/*.h; do
    [ -f "$installed/include/halo/${header##*/}" ] || { echo "${header##*/} is not installed"; exit 1; }
done

# The staging directory stands for the root here: the one line of halo.pc that tells where
# it is installed is changed, in a copy.
mkdir "$work/pc"
sed "s|^prefix=.*|prefix=$installed|" "$installed/$libdir/pkgconfig/halo.pc" >"$work/pc/halo.pc"
export PKG_CONFIG_PATH=$work/pc${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}

mkdir "$work/app"
cd "$work/app"
cp "$source/app.c" .

# shellcheck disable=SC2046,SC2086 # the flags are words
build_app() { "$@" app.c $own_names $(pkg-config --cflags --libs --static halo) -o app; }

expected=$(pkg-config --modversion halo)
for compiler in "${CC:-cc} -std=c11" "${CC:-cc} -O2 -Wl,--gc-sections" "${CXX:-c++} -x c++ -std=c++17"; do
    # A C++ compiler would take the archive for a source as well.
    case $compiler in
    *c++17)
        # shellcheck disable=SC2086,SC2046
        $compiler $own_names -c app.c $(pkg-config --cflags halo) -o app.o
        # shellcheck disable=SC2046
        ${CXX:-c++} app.o $(pkg-config --libs --static halo) -o app
        ;;
    *)
        # shellcheck disable=SC2086
        build_app $compiler
        ;;
    esac
    printed=$(./app) || { echo "the application failed ($compiler)"; exit 1; }
    [ "$printed" = "$expected" ] || { echo "halo_version() is $printed, halo.pc says $expected"; exit 1; }
done
