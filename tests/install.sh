#!/bin/sh
# install.sh build|test - installs the Debian packages of tests/packages that
# are missing. As another user than root it only says what to install.
set -eu
cd "$(dirname "$0")/.."
wanted=$(sed 's/#.*//' tests/packages | awk -v kind="$1" \
    '$1 == "build" || $1 == kind { $1 = ""; print }')
missing=""
for package in $wanted; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null |
        grep -q 'ok installed' || missing="$missing $package"
done
[ -z "$missing" ] && exit 0
if [ "$(id -u)" != 0 ]; then
    echo "Please install first: sudo apt-get install$missing" >&2
    exit 1
fi
echo "installing:$missing" >&2
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# shellcheck disable=SC2086
apt-get install -y -qq --no-install-recommends $missing >/dev/null
