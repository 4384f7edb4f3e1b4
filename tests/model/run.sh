#!/bin/sh
# run.sh - checks leases.pml with Spin, exhaustively: the protocol must hold
# each property, and each shortcut must break the one named beside it.
#
#   sh tests/model/run.sh
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bad=0

# check FLAGS PROPERTY WANTED: WANTED is `holds` or `broken`
check() {
    cd "$work"
    # shellcheck disable=SC2086
    spin -a $1 "$here/leases.pml" >spin.log 2>&1 || { cat spin.log; exit 2; }
    gcc -O2 -DSAFETY -DCOLLAPSE -DNFAIR=3 -w -o pan pan.c
    timeout 300 ./pan -m200000 -N "$2" >pan.log 2>&1 || true
    errors=$(sed -n 's/.*errors: \([0-9]*\).*/\1/p' pan.log)
    states=$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' pan.log)
    case "${errors:-none} $3" in
    "0 holds") said=holds ;;
    "none "*) said="not decided" ;;
    "0 "*) said="holds, and should not" ;;
    *" broken") said=broken ;;
    *) said="BROKEN" ;;
    esac
    grep -q 'depth reached.*truncated\|max search depth too small' pan.log && said="$said, not searched to the end"
    printf '%-12s %s  %s (%s states)\n' "${1:-protocol}" "$2" "$said" "${states:-?}"
    [ "$said" = "$3" ] || bad=1
}

for property in i1 i2 i3 i4 i5 i6; do check "" $property holds; done
check -DM_RACE i1 broken
check -DM_RACE i3 broken
check -DM_LATE i2 broken
check -DM_NOINTENT i2 broken
check -DM_RELEASE i2 broken
check -DM_DUP i4 broken
check -DM_DUP i6 broken
check -DM_DOUBT i2 broken
check -DM_POWER i2 broken
check -DM_NOEND i5 broken
exit $bad
