#!/bin/sh
# quickstart.sh - from a fresh Debian 12 to answered requests.
#
#   sh conf/quickstart.sh [--once] [--sim] [--port PORT]
#
# Installs what the build needs, builds the release, and serves. Where one of
# the keys that conf/vendors.yaml names is set (DEEPSEEK_API_KEY,
# DASHSCOPE_API_KEY, ANTHROPIC_API_KEY, ...) those vendors are used; otherwise,
# or with --sim, a simulated market of all of them. Then it sends a few
# requests, shows who was chosen and why, and goes on serving until Ctrl-C; with
# --once it ends after the demonstration, with a status other than 0 if anything
# failed.
set -eu
cd "$(dirname "$0")/.."
once="" sim="" port=8080
while [ $# -gt 0 ]; do
    case $1 in
    --once) once=yes ;;
    --sim) sim=yes ;;
    --port) port=$2; shift ;;
    *) sed -n '2,12s/^# \{0,1\}//p' conf/quickstart.sh; exit 2 ;;
    esac
    shift
done

real=""
for name in $(sed -n 's/^ *keys: \[{env: \([A-Z_]*\)}.*/\1/p' conf/vendors.yaml); do
    eval "value=\${$name:-}"
    [ -n "$value" ] && real="$real $name"
done
[ -n "$real" ] || sim=yes

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
[ -t 1 ] || say() { printf '\n%s\n' "$*"; }

say "1. Building (the first time takes a minute or two)"
sh tests/install.sh build
log=$(mktemp)
if ! { cmake --preset release -B build/serve -DBIJIA_TESTS=OFF && cmake --build build/serve; } >"$log" 2>&1; then
    tail -n 40 "$log"; rm -f "$log"; exit 1
fi
rm -f "$log"
bijia=$PWD/build/serve/proxy/bijia
"$bijia" --version

# A port that is taken (two quickstarts, another server) is no reason to fail.
port=$(python3 - "$port" <<'PY'
import socket, sys
def free(port):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("127.0.0.1", port))
        return s.getsockname()[1]
try:
    print(free(int(sys.argv[1])))
except OSError:
    print(free(0))
PY
)
dir=$PWD/build/quickstart
rm -rf "$dir"
mkdir -p "$dir"
pids=""
# shellcheck disable=SC2086
trap 'trap - EXIT INT TERM; kill $pids 2>/dev/null || true; wait' EXIT
trap 'exit 130' INT TERM

if [ -n "$sim" ]; then
    say "2. Starting a simulated market of vendors (no keys, no money)"
    python3 tests/sim/sim.py --port 0 --record "$dir/bills.jsonl" >"$dir/sim.log" 2>&1 &
    pids="$pids $!"
    for _ in $(seq 100); do
        grep -q '^listening on' "$dir/sim.log" && break
        sleep 0.1
    done
    market=$(awk '/^listening on/ { print $3; exit }' "$dir/sim.log")
    python3 tests/sim/conf_for_sim.py --conf conf --out "$dir/conf" \
        --sim "http://${market#http://}" --listen "127.0.0.1:$port"
else
    say "2. Using the real vendors whose keys are set:$real"
    echo "   (a handful of short requests: a few fen; --sim plays instead)"
    mkdir -p "$dir/conf"
    cp conf/*.yaml "$dir/conf/"
    sed -i "s|^listen:.*|listen: 127.0.0.1:$port|" "$dir/conf/bijia.yaml"
fi

say "3. Checking the configuration, making a key, starting the proxy"
"$bijia" check "$dir/conf"
key=$("$bijia" keys new demo --conf "$dir/conf" 2>/dev/null)
"$bijia" serve "$dir/conf" 2>"$dir/bijia.log" &
serve=$!
pids="$pids $serve"

failed=0
say "4. Asking"
BIJIA_KEY=$key python3 tests/sim/demo.py --base-url "http://127.0.0.1:$port/v1" \
    --log "$dir/conf/state/routing.jsonl" ${sim:+--bills "$dir/bills.jsonl"} || failed=1
[ "$failed" = 0 ] || tail -n 20 "$dir/bijia.log"

say "5. Point the OpenAI SDK at it"
cat <<TXT
    from openai import OpenAI
    client = OpenAI(base_url="http://127.0.0.1:$port/v1", api_key="$key")
    client.chat.completions.create(model="chat", messages=[{"role": "user", "content": "你好"}])

    watch the choices   $bijia tail --conf $dir/conf
    ask why             $bijia explain --team demo --conf $dir/conf < request.json
    try one by hand     curl http://127.0.0.1:$port/v1/models -H "Authorization: Bearer $key"
TXT
if [ -n "$once" ]; then
    kill "$serve"
    wait "$serve" || { echo "the proxy did not end well"; failed=1; }
    exit "$failed"
fi
say "Serving on http://127.0.0.1:$port/v1 until Ctrl-C"
wait "$serve"
