#!/bin/sh
# run.sh - plays Bijia on the market and scores it.
#
#   sh tests/market/run.sh                                   the table of all cells
#   sh tests/market/run.sh --only conversation               those named so
#   sh tests/market/run.sh --trace FILE --prices SET --json  one cell, one JSON object
#
# The market is not part of this project: it is looked for in ../shared/market,
# or where MARKET_DIR says. Builds the release if BIJIA_BIN names no program.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
: "${MARKET_DIR:=$root/../shared/market}"
[ -f "$MARKET_DIR/market.py" ] || {
    echo "tests/market: there is no market in $MARKET_DIR: set MARKET_DIR" >&2
    exit 2
}
export MARKET_DIR
if [ -z "${BIJIA_BIN:-}" ]; then
    BIJIA_BIN=$root/build/release/proxy/bijia
    (cd "$root" && cmake --preset release && cmake --build --preset release --target bijia) \
        >"$root/build-market.log" 2>&1 || { cat "$root/build-market.log" >&2; exit 2; }
    rm -f "$root/build-market.log"
    export BIJIA_BIN
fi
for word in "$@"; do
    [ "$word" = --trace ] && exec python3 "$here/cell.py" "$@"
done
exec python3 "$here/table.py" "$@"
