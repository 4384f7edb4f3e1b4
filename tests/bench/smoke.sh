#!/bin/sh
# smoke.sh - do the benchmark's tools count right? No proxy: load on mock.
#
#   sh tests/bench/smoke.sh [DIRECTORY OF bench_mock AND bench_load]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
bin=${1:-$here/../../build/release/tests/bench}
work=$(mktemp -d)
mock=
trap '[ -z "$mock" ] || kill "$mock"; rm -rf "$work"' EXIT
bad=0

# want NAME LINE PATTERN - the result line holds the pattern
want() {
    case $2 in
    *$3*) echo "  ok: $1" ;;
    *) echo "  FAILED: $1: wanted $3 in $2"; bad=1 ;;
    esac
}

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
    -keyout "$work/key.pem" -out "$work/cert.pem" -days 2 \
    -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1 \
    2>/dev/null
"$bin/bench_mock" --certificate "$work/cert.pem" --key "$work/key.pem" \
    >"$work/ports" &
mock=$!
for _ in 1 2 3 4 5 6 7 8 9 10; do
    grep -q tls_port "$work/ports" && break
    sleep 0.1
done
port=$(sed -n 's/^port //p' "$work/ports")
tls_port=$(sed -n 's/^tls_port //p' "$work/ports")
load() {
    "$bin/bench_load" --port "$port" --warmup-ms 0 "$@" >"$work/out" </dev/null ||
        echo "bench_load ended with $?" >>"$work/out"
    tail -n 1 "$work/out"
}

for bytes in 1024 32768 524288; do
    line=$(load --body $bytes --connections 8 --requests 500)
    want "500 requests of $bytes bytes are 500 answers" "$line" \
        '"completed":500,"errors":0,"refused":0,"first_status":0,"reconnects":0'
done
line=$(load --streams 300 --user chunks=20,interval_us=20000)
want "300 streams of 20 chunks are 6000 chunks, each ended" "$line" \
    '"completed":300,"chunks":6000,"others":300,"done":300,"bad":0'
line=$(load --as-stream 1 --connections 4 --requests 200 \
    --user chunks=3,interval_us=0)
want "200 short streams one after another are 600 chunks" "$line" \
    '"chunks":600,"done":200,"bad":0'
line=$(load --connections 4 --run-ms 500)
want "half a second of requests has no errors" "$line" '"errors":0,"refused":0'
line=$(curl -sS --cacert "$work/cert.pem" -d '{"stream":true,"user":"chunks=2"}' \
    "https://localhost:$tls_port/chat/completions" | grep -c '^data: ')
want "over TLS a stream of 2 chunks is 4 events" "$line" 4
kill "$mock"
wait "$mock" 2>/dev/null || true
mock=
line=$(load --connections 4 --requests 10)
want "without an upstream the load fails" "$line" 'ended with 1'
[ $bad = 0 ] && echo "bench smoke: ok"
exit $bad
