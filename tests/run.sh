#!/bin/sh
# run.sh - installs what the tests need, builds, runs every suite, and ends
# with one line "N passed, M failed" over all of them.
#
#   format      clang-format, the layers check
#   asan        unit tests, fuzz corpora and the running program (Python, Node
#               and raw sockets) under AddressSanitizer and UBSan
#   tsan        unit tests in which several threads may run, and the concurrent
#               ones of the running program
#   fuzz        clang's warnings; each fuzzer for a few seconds on top of its
#               corpus
#   tidy        clang-tidy over all that is shipped
#   release     the builds people run: quickstart; all million histories of
#               budgets, the benchmark's tools; conf/build.sh, and whether what
#               it built streams and bills
#   model       the protocol of budgets and leases, by Spin, with its mutants
#
# Some tests are about time (a client that left is noticed within 100 ms), and
# machines are shared: one that fails is run again, twice at most.
#
#   sh tests/run.sh [SUITE ...]     all of them unless named
set -u
cd "$(dirname "$0")/.."
root=$PWD
out=$root/build/tests
mkdir -p "$out"
rm -f "$out/vendors-table.md"
total_passed=0 total_failed=0
suites=${*:-format asan tsan fuzz tidy release model}

sh tests/install.sh test || { echo "0 passed, 1 failed"; exit 1; }

began=$(date +%s)

# tally NAME PASSED FAILED: a line, with the seconds since all began
tally() {
    total_passed=$((total_passed + $2))
    total_failed=$((total_failed + $3))
    printf '%4d s  %-28s %5d passed, %d failed\n' \
        $(($(date +%s) - began)) "$1" "$2" "$3"
}

# check NAME COMMAND...: one test that is the command's exit status
check() {
    name=$1; shift
    log=$out/$(echo "$name" | tr ' /' '__').log
    if "$@" >"$log" 2>&1; then tally "$name" 1 0; return 0; fi
    tail -n 40 "$log"
    tally "$name" 0 1
    return 1
}

# build PRESET [OPTIONS FOR THE BUILD]
build() {
    preset=$1; shift
    log=$out/build-$preset.log
    if cmake --preset "$preset" >"$log" 2>&1 &&
        cmake --build --preset "$preset" "$@" >>"$log" 2>&1; then return 0; fi
    grep -E 'error|warning' "$log" | grep -v '^/usr/bin' | head -n 40
    tally "build $preset" 0 1
    return 1
}

# units PRESET [OPTIONS FOR CTEST]
units() {
    preset=$1; shift
    log=$out/ctest-$preset.log
    ctest --preset "$preset" -j2 --repeat until-pass:3 "$@" >"$log" 2>&1
    failed=$(sed -n 's/.* \([0-9]*\) tests failed out of .*/\1/p' "$log")
    all=$(sed -n 's/.* tests failed out of \([0-9]*\).*/\1/p' "$log")
    [ "${failed:-x}" = 0 ] || { tail -n 60 "$log"; : "${failed:=1}" "${all:=1}"; }
    tally "unit and corpora ($preset)" $((all - failed)) "$failed"
}

# running NAME PRESET PYTEST-ARGS...: the program from outside
running() {
    name=$1 preset=$2; shift 2
    log=$out/pytest-$preset.log
    BIJIA_BIN=$root/build/$preset/proxy/bijia BIJIA_BUILD=$root/build/$preset \
        NODE_PATH=$root/build/sdk/node_modules \
        ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1 \
        UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
        TSAN_OPTIONS=halt_on_error=1:suppressions=$root/tests/tsan.supp \
        "$root/build/venv/bin/python" -m pytest -q --maxfail=20 \
        --reruns 2 -p no:cacheprovider "$@" >"$log" 2>&1
    passed=$(sed -n 's/.*[^0-9]\([0-9]\{1,\}\) passed.*/\1/p; s/^\([0-9]\{1,\}\) passed.*/\1/p' "$log" | tail -n 1)
    failed=$(sed -n 's/^\([0-9]\{1,\}\) failed.*/\1/p; s/.*[^0-9]\([0-9]\{1,\}\) failed.*/\1/p' "$log" | tail -n 1)
    errors=$(sed -n 's/.*[^0-9]\([0-9]\{1,\}\) errors\{0,1\}.*/\1/p' "$log" | tail -n 1)
    bad=$((${failed:-0} + ${errors:-0}))
    [ "${passed:-0}" = 0 ] && [ "$bad" = 0 ] && bad=1
    [ "$bad" = 0 ] || tail -n 60 "$log"
    tally "$name" "${passed:-0}" "$bad"
}

sdks() {
    [ -x build/venv/bin/python ] || python3 -m venv build/venv
    build/venv/bin/pip install -q --disable-pip-version-check \
        -r tests/requirements.txt >"$out/pip.log" 2>&1 ||
        { tail -n 5 "$out/pip.log"; tally "python packages" 0 1; }
    command -v npm >/dev/null || {
        [ "$(id -u)" = 0 ] && apt-get install -y -qq --no-install-recommends \
            nodejs npm >/dev/null 2>&1; }
    mkdir -p build/sdk
    cp tests/e2e/package.json build/sdk/
    npm install --prefix build/sdk --no-audit --no-fund --silent \
        >"$out/npm.log" 2>&1 ||
        { tail -n 5 "$out/npm.log"; tally "node packages" 0 1; }
}

# Vendors x abilities: no cell without a test that ran and passed.
vendors() {
    sed 1,2d "$out/vendors-table.md" | awk -F'|' '
        { for (i = 2; i < NF; i++) if ($i ~ /^ *$|FAILED/) bad = 1 }
        END { exit bad || NR < 31 }'
}

# All fuzzers, a core each; fuzzed NAME tells of one how it ended.
fuzz_all() {
    rm -f "$out"/*.fuzzed
    # shellcheck disable=SC2016
    printf '%s\n' build/fuzz/tests/*_fuzz |
        xargs -n 1 -P "$(nproc)" sh -c '
            name=$(basename "$2" _fuzz)
            fresh=$(mktemp -d)
            "$2" -max_total_time=2 -timeout=5 -rss_limit_mb=1024 \
                -artifact_prefix="$1/$name-" "$fresh" \
                "tests/fuzz/corpus/$name" >"$1/$name.fuzzed" 2>&1 &&
                echo "ended well" >>"$1/$name.fuzzed"
            rm -rf "$fresh"' fuzz "$out"
}

fuzzed() {
    cat "$out/$1.fuzzed" && tail -n 1 "$out/$1.fuzzed" | grep -q '^ended well$'
}

# The release's tests, where quickstart has built all but them.
beside_quickstart() {
    log=$out/build-release.log
    cmake --preset release -B build/serve -DBIJIA_TESTS=ON >"$log" 2>&1 &&
        cmake --build build/serve --target purse_test bench_mock bench_load \
            >>"$log" 2>&1 && return 0
    grep -E 'error|warning' "$log" | head -n 40
    tally "build release" 0 1
    return 1
}

formatted() {
    git ls-files -z '*.c' '*.h' | xargs -0 clang-format --dry-run -Werror
}

tidy() {
    cmake --preset clang &&
        run-clang-tidy -quiet -p build/clang \
            "$root/(proxy|conf|vendors|routing)/" \
        >"$out/tidy.log" 2>&1 || { grep -a -A 4 'error:' "$out/tidy.log"; false; }
}

for suite in $suites; do
    case $suite in
    format)
        check "clang-format" formatted
        check "layers" sh tests/layers.sh ;;
    asan)
        sdks
        build asan && units asan &&
            running "the simulated market" asan tests/sim &&
            running "running program (asan)" asan -n 3 tests/e2e &&
            { check "vendors x abilities" vendors; cat "$out/vendors-table.md"; } ;;
    tsan)
        [ -x build/venv/bin/python ] || sdks
        build tsan && units tsan &&
            running "running program (tsan)" tsan -n 2 -m threads tests/e2e ;;
    tidy)
        check "clang-tidy" tidy ;;
    fuzz)
        build fuzz && fuzz_all && for fuzzer in build/fuzz/tests/*_fuzz; do
            name=$(basename "$fuzzer" _fuzz)
            check "fuzz $name" fuzzed "$name"
        done ;;
    release)
        check "quickstart" sh conf/quickstart.sh --once
        beside_quickstart && units release --test-dir "$root/build/serve" \
            -R 'unit.record.purse$|bench.smoke'
        [ -x build/venv/bin/python ] || sdks
        check "production build" sh conf/build.sh &&
            running "running program (trained)" trained -n 2 \
                tests/e2e/test_streaming.py tests/e2e/test_money.py ;;
    model)
        check "model of budgets" sh tests/model/run.sh ;;
    *) echo "no suite called $suite" >&2; total_failed=$((total_failed + 1)) ;;
    esac
done
echo "$total_passed passed, $total_failed failed"
[ "$total_failed" = 0 ]
