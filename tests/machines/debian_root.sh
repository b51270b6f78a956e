#!/usr/bin/env bash
# Makes a root of Debian SUITE, as root: debian_root.sh SUITE VARIANT TARGET PACKAGE...; TARGET is a folder or a
# .tar, VARIANT mmdebstrap's: minbase is what images of containers have, important what machines have.
# It has this machine's mirror, certificates and settings of apt, so that what boots or runs it reaches the same packages.
set -euo pipefail
suite=$1 variant=$2 target=$3
shift 3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# shellcheck disable=SC2016 # apt replaces it.
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -m1 '/debian/*$') ||
  { echo "debian_root.sh: apt on this machine knows no mirror of Debian" >&2 && exit 1; }
printf 'deb %s %s main\n' "$mirror" "$suite" "$mirror" "$suite-updates" >"$work/sources.list"
apt-config dump Acquire >"$work/apt.conf"
mkdir "$work/certificates"
find /usr/local/share/ca-certificates -name '*.crt' -exec cp {} "$work/certificates" \;
# shellcheck disable=SC2016 # mmdebstrap's shell expands it.
mmdebstrap --quiet --mode=root --variant="$variant" --aptopt="$work/apt.conf" --include="ca-certificates $*" \
  --customize-hook="sync-in $work/certificates /usr/local/share/ca-certificates" \
  --customize-hook='chroot "$1" update-ca-certificates >/dev/null; rm -f "$1/etc/resolv.conf"' \
  "$suite" "$target" "$work/sources.list"
