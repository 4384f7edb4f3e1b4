#!/bin/sh
# run.sh - checks leases.pml with Spin, exhaustively: the protocol must hold
# each property, and each shortcut must break the one named beside it.
#
#   sh tests/model/run.sh
set -eu
here=$(cd "$(dirname "$0")" && pwd)

# build VARIANT: the program that searches the protocol, or one shortcut of it
build() {
    mkdir "$1"
    cd "$1"
    flags=
    [ "$1" = protocol ] || flags=-D$1
    # shellcheck disable=SC2086
    spin -a $flags "$here/leases.pml" >spin.log 2>&1 || { cat spin.log; exit 2; }
    gcc -O2 -DSAFETY -DCOLLAPSE -DNFAIR=3 -w -o pan pan.c
}

# check VARIANT PROPERTY WANTED: WANTED is `holds` or `broken`
check() {
    mkdir "$1/$2"
    cd "$1/$2"
    timeout 300 ../pan -m200000 -N "$2" >pan.log 2>&1 || true
    errors=$(sed -n 's/.*errors: \([0-9]*\).*/\1/p' pan.log)
    states=$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' pan.log)
    case "${errors:-none} $3" in
    "0 holds") said=holds ;;
    "none "*) said="not decided" ;;
    "0 "*) said="holds, and should not" ;;
    *" broken") said=broken ;;
    *) said="BROKEN" ;;
    esac
    if grep -q 'depth reached.*truncated\|max search depth too small' pan.log; then
        said="$said, not searched to the end"
    fi
    printf '%-12s %s  %s (%s states)\n' "$1" "$2" "$said" "${states:-?}"
    [ "$said" = "$3" ]
}

# One of them, for xargs below.
if [ $# -gt 0 ]; then
    "$@"
    exit
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
cat >checks <<'CHECKS'
protocol i1 holds
protocol i2 holds
protocol i3 holds
protocol i4 holds
protocol i5 holds
protocol i6 holds
M_RACE i1 broken
M_RACE i3 broken
M_LATE i2 broken
M_NOINTENT i2 broken
M_RELEASE i2 broken
M_DUP i4 broken
M_DUP i6 broken
M_DOUBT i2 broken
M_POWER i2 broken
M_NOEND i5 broken
CHECKS
cut -d ' ' -f 1 checks | uniq | xargs -n 1 -P "$(nproc)" sh "$here/run.sh" build
xargs -n 3 -P "$(nproc)" sh "$here/run.sh" check <checks
