#!/usr/bin/env bash
# Builds halo, starts its server with a throw-away certificate on a small page, and fetches that by
# halo's own client and by curl: HTTP/2 in cleartext (h2c) and over TLS. On a terminal the server then
# runs until Ctrl-C; otherwise it is stopped.
#
#   scripts/demo.sh
#
# Environment:
#   HALO_SKIP_DEPS=1   do not look for missing packages first
#   HALO_BUILD=DIR     take the programs of this build directory instead of building
set -euo pipefail
cd "$(dirname "$0")/.."

build=${HALO_BUILD:-build/release}
if [ -z "${HALO_BUILD:-}" ]; then
    [ -n "${HALO_SKIP_DEPS:-}" ] || scripts/deps.sh build demo
    HALO_SKIP_DEPS=1 scripts/build.sh release
fi

serve=$build/server/halo-serve
get=$build/client/halo-get
for program in "$serve" "$get"; do
    [ -x "$program" ] || { echo "demo: $program was not built" >&2; exit 1; }
done

work=$(mktemp -d)
server=
clean_up() {
    [ -z "$server" ] || kill -KILL "$server" 2>/dev/null || true
    rm -rf "$work"
}
trap clean_up EXIT

say() { printf '\n== %s\n' "$*"; }

say "a page, and a certificate for localhost"
mkdir "$work/site"
cat >"$work/site/index.html" <<'PAGE'
<!doctype html>
<title>halo</title>
<p>Hello from halo, over HTTP/2.
PAGE
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
    -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1 \
    -keyout "$work/key.pem" -out "$work/cert.pem" 2>"$work/openssl" ||
    { cat "$work/openssl" >&2; exit 1; }
echo "$work/site/index.html, $work/cert.pem"

say "halo-serve on two free ports"
# A process group of its own: Ctrl-C is this script's, which then ends the server gracefully.
mkfifo "$work/listening"
set -m
"$serve" --root "$work/site" --listen 127.0.0.1:0 \
    --listen-tls 127.0.0.1:0 --cert "$work/cert.pem" --key "$work/key.pem" \
    >"$work/listening" 2>"$work/log" &
server=$!
set +m
exec 3<"$work/listening"
h2c=
tls=
while [ -z "$h2c" ] || [ -z "$tls" ]; do
    if ! read -r -t 10 -u 3 _ kind address; then
        echo "demo: halo-serve did not start:" >&2
        cat "$work/log" >&2
        exit 1
    fi
    echo "listening $kind $address"
    if [ "$kind" = h2c ]; then h2c=http://$address/; else tls=https://localhost:${address##*:}/; fi
done

# The command lines that are shown are the ones that are run.
fetch() {
    printf '\n$'
    printf ' %q' "$@"
    printf '\n'
    "$@" | tee "$work/fetched"
    cmp -s "$work/fetched" "$work/site/index.html" ||
        { echo "demo: that is not the page" >&2; exit 1; }
}

say "the page, four times"
fetch "$get" "$h2c"
fetch curl -sS --noproxy '*' --http2-prior-knowledge "$h2c"
fetch "$get" --cacert "$work/cert.pem" "$tls"
# localhost may have an IPv6 address too, where nobody listens; both clients then take the other.
fetch curl -sS --noproxy '*' --http2 --cacert "$work/cert.pem" "$tls"

say "the same with what happens on the wire (-v)"
printf '$ %s -v %s\n' "$get" "$h2c"
"$get" -v "$h2c" 2>&1 >/dev/null

stopping=
stop_server() {
    [ -n "$stopping" ] || kill -TERM "$server"
    stopping=1
}

# The trap stops the server, so that it does not matter when Ctrl-C comes: now, or within `wait`,
# which it ends with a status above 128.
await_server() {
    local status=0
    wait "$server" || status=$?
    if [ -n "$stopping" ] && [ "$status" -gt 128 ]; then
        status=0
        wait "$server" || status=$?
    fi
    server=
    [ "$status" = 0 ] || { echo "demo: halo-serve ended with status $status" >&2; exit 1; }
    echo "halo-serve ended with status 0"
}

if [ -t 0 ] && [ -t 1 ]; then
    trap stop_server INT
    say "the server goes on; repeat the lines above in another terminal. Ctrl-C ends it"
else
    stop_server
fi
await_server
say "the access log"
cat "$work/log"
