#!/bin/sh
# Compiles each public header on its own, as C11 and as C++17, the way an application would.
#
#   headers.sh INCLUDE_DIRECTORY... -- HEADER...
set -u

flags=
while [ "$1" != -- ]; do
    flags="$flags -I$1"
    shift
done
shift

status=0
for header in "$@"; do
    name=halo/${header##*/}
    for mode in "${CC:-cc} -std=c11 -x c" "${CXX:-c++} -std=c++17 -x c++"; do
        # shellcheck disable=SC2086 # both hold several words
        if ! printf '#include <%s>\n#include <%s>\n' "$name" "$name" |
            $mode -Wall -Wextra -Wpedantic -Werror -fsyntax-only $flags -; then
            echo "<$name> does not compile by: $mode"
            status=1
        fi
    done
done
exit $status
