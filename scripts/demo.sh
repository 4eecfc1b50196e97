#!/usr/bin/env bash
# Builds halo, starts its server with a fresh certificate, and fetches a page by curl and by
# halo's own client: HTTP/2 over TLS and in cleartext. Stops everything again.
#
#   scripts/demo.sh
#
# Environment: HALO_SKIP_DEPS=1 does not look for missing packages first.
set -euo pipefail
cd "$(dirname "$0")/.."

[ -n "${HALO_SKIP_DEPS:-}" ] || scripts/deps.sh build demo
HALO_SKIP_DEPS=1 scripts/build.sh release

serve=build/release/server/halo-serve
get=build/release/client/halo-get
for program in "$serve" "$get"; do
    [ -x "$program" ] || { echo "demo: $program was not built" >&2; exit 1; }
done

work=$(mktemp -d)
server=
stop() {
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    rm -rf "$work"
}
trap stop EXIT

mkdir "$work/site"
echo "hello from halo" >"$work/site/index.html"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
    -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1 \
    -keyout "$work/key.pem" -out "$work/cert.pem" 2>/dev/null

echo "halo-serve and halo-get are built; version $(sed -n 's/^Version: //p' build/release/meson-private/halo.pc)"
