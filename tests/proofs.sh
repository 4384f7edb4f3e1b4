#!/bin/sh
# proofs.sh - the promises about money, in full: what the suites of run.sh
# show with small counts, with those that are promised. Takes about half an
# hour and wants a quiet machine; run.sh must have built and installed before.
#
#   volleys     500 requests at once, 100 times: exactly what fits is admitted
#   random      kill -9 a hundred times under load, the release and the debug build
#   points      kill -9 ten times at each fail point between two ledger steps,
#               and while it recovers
#   leaving     a client that resets at each byte of a stream; 1,000 that leave
#               before the first; how soon their vendors see it
#   histories   a million random histories against the invariants, and mutants
#   model       the protocol in Spin, and mutants
#   trouble     locked, full and failing disks; changed ledgers; backups
#   fairness    one team at a hundred times its limit beside another
#   scale       5,000 teams, 20,000 keys, 100,000 rows; the ledger's own cost
#
#   sh tests/proofs.sh [NAME ...]     all of them unless named
set -eu
cd "$(dirname "$0")/.."
root=$PWD
python=$root/build/venv/bin/python

[ -x "$python" ] || {
    python3 -m venv build/venv
    build/venv/bin/pip install -q --disable-pip-version-check -r tests/requirements.txt
}

# built PRESET TARGET...
built() {
    preset=$1; shift
    cmake --preset "$preset" >/dev/null
    cmake --build --preset "$preset" --target "$@" >/dev/null
}

# told PRESET PYTEST-ARGS...: prints what the tests measured
told() {
    preset=$1; shift
    built "$preset" bijia
    BIJIA_BIN=$root/build/$preset/proxy/bijia BIJIA_BUILD=$root/build/$preset \
        "$python" -m pytest -q -s -p no:cacheprovider "$@"
}

for proof in ${*:-volleys random points leaving histories model trouble fairness scale}; do
    echo "== $proof"
    case $proof in
    volleys)
        BIJIA_TEST_VOLLEYS=100 told release tests/e2e/test_budget.py ;;
    random)
        for preset in release dev; do
            BIJIA_TEST_KILLS=100 told $preset tests/e2e/test_crash.py -k "random or power"
        done ;;
    points)
        BIJIA_TEST_POINT_KILLS=10 told dev tests/e2e/test_crash.py -k "between or recovers" ;;
    leaving)
        BIJIA_TEST_LEAVERS=1000000 BIJIA_TEST_EARLY_LEAVERS=1000 told release tests/e2e/test_leaving.py ;;
    histories)
        built release purse_test
        build/release/tests/purse_test ;;
    model)
        sh tests/model/run.sh ;;
    trouble)
        built release ledger_test recorder_test prune_test
        for test in ledger recorder prune; do build/release/tests/${test}_test; done
        told release tests/e2e/test_ledger.py
        told dev tests/e2e/test_retention.py ;;
    fairness)
        BIJIA_TEST_UNFAIR=1.2 told release tests/e2e/test_limits.py -k "hundred" ;;
    scale)
        sh tests/bench/run.sh --proxies bijia --only teams,ledger,ledger_streams ;;
    *) echo "no proof called $proof" >&2; exit 2 ;;
    esac
done
