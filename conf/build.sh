#!/bin/sh
# build.sh - the build for production, which takes a tenth less CPU than that of
# `cmake --preset release`: once to count where the program goes under load, once
# more with what it then does most laid out together. The result:
# build/trained/proxy/bijia
#
#   sh conf/build.sh
#
# Needs gcc, and python3 and openssl to make the load. Does nothing if what is
# built is of these sources already.
set -eu
cd "$(dirname "$0")/.."
dir=build/trained
of=$(find proxy routing vendors conf tests/bench CMake* -type f \( -name '*.[ch]' -o -name '*.py' -o -name 'CMake*' \) |
    LC_ALL=C sort | xargs cat | sha256sum)
[ -x $dir/proxy/bijia ] && [ "$(cat $dir/of 2>/dev/null)" = "$of" ] && exit 0

sh tests/install.sh build
echo "build.sh: builds, trains and builds again: two minutes or three"
log=$dir/log
rm -rf "$dir/counts" "$dir/of"
mkdir -p "$dir"
quietly() { "$@" >>"$log" 2>&1 || { tail -n 40 "$log"; exit 1; }; }
: >"$log"
quietly cmake --preset training
quietly cmake --build --preset training --target bijia bench_mock bench_load
quietly python3 tests/bench/train.py $dir
quietly cmake --preset trained
quietly cmake --build --preset trained --target bijia bijia_no_ledger bench_mock bench_load
echo "$of" >$dir/of
