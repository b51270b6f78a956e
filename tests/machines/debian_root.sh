#!/usr/bin/env bash
# Makes a root of Debian SUITE, as root: debian_root.sh SUITE VARIANT TARGET PACKAGE|--OPTION...; TARGET is a folder or a
# .tar, VARIANT mmdebstrap's: minbase is what images of containers have, important what machines have. OPTIONs are
# mmdebstrap's too. With trixie-backports as SUITE, PACKAGE/trixie-backports is had from there.
# It has this machine's mirror, certificates and settings of apt, so that what boots or runs it reaches the same packages.
set -euo pipefail
suite=$1 variant=$2 target=$3
shift 3
packages=(ca-certificates) options=()
for each in "$@"; do
  if [[ $each == --* ]]; then options+=("$each"); else packages+=("$each"); fi
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# shellcheck disable=SC2016 # apt replaces it.
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -m1 '/debian/*$') ||
  { echo "debian_root.sh: apt on this machine knows no mirror of Debian" >&2 && exit 1; }
case $suite in
  sid | forky) suites=("$suite") ;;
  *-backports) suites=("${suite%-backports}" "${suite%-backports}-updates" "$suite") ;;
  *) suites=("$suite" "$suite-updates") ;;
esac
printf "deb $mirror %s main\n" "${suites[@]}" >"$work/sources.list"
apt-config dump Acquire >"$work/apt.conf"
mkdir "$work/certificates"
find /usr/local/share/ca-certificates -name '*.crt' -exec cp {} "$work/certificates" \;
# shellcheck disable=SC2016 # mmdebstrap's shell expands it.
mmdebstrap --quiet --mode=root --variant="$variant" --aptopt="$work/apt.conf" --include="${packages[*]}" "${options[@]}" \
  --customize-hook="sync-in $work/certificates /usr/local/share/ca-certificates" \
  --customize-hook='chroot "$1" update-ca-certificates >/dev/null; rm -f "$1/etc/resolv.conf"' \
  "${suites[0]}" "$target" "$work/sources.list"
