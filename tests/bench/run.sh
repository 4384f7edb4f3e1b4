#!/bin/sh
# run.sh - measures bijia, nginx proxy_pass and haproxy side by side.
#
#   sh tests/bench/run.sh [--json FILE] [--quick] [--plain] [--only NAME] [--help]
#
# Builds as conf/build.sh does (--plain: as `cmake --preset release` does),
# installs what is missing (as root), takes about twenty minutes, and wants a
# quiet machine with two cores or more.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
caller=$(pwd)

missing=""
need() { command -v "$1" >/dev/null || [ -x "/usr/sbin/$1" ] || missing="$missing $2"; }
need nginx nginx-light
need haproxy haproxy
need valgrind valgrind
need strace strace
need openssl openssl
need python3 python3
if [ -n "$missing" ]; then
    if [ "$(id -u)" != 0 ]; then
        echo "bench: please install:$missing" >&2
        exit 1
    fi
    # a server that the package starts by itself would disturb the runs
    printf '#!/bin/sh\nexit 101\n' >/tmp/policy-rc.d.$$
    if [ ! -e /usr/sbin/policy-rc.d ]; then
        install -m 755 /tmp/policy-rc.d.$$ /usr/sbin/policy-rc.d
        trap 'rm -f /usr/sbin/policy-rc.d' EXIT
    fi
    rm -f /tmp/policy-rc.d.$$
    apt-get update -qq
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
fi
PATH=$PATH:/usr/sbin:/sbin

cd "$root"
build=build/trained
case " $* " in
*" --help "* | *" -h "*) ;;
*" --plain "*)
    build=build/release
    cmake --preset release >/dev/null
    cmake --build --preset release --target bijia bijia_no_ledger bench_mock bench_load ;;
*) sh conf/build.sh ;;
esac
cd "$caller"
python3 "$root/tests/bench/bench.py" --tools "$root/$build/tests/bench" \
    --bijia "$root/$build/proxy/bijia" "$@"
