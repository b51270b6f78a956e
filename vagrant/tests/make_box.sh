#!/usr/bin/env bash
# Builds a Vagrant box for libvirt from packages of this machine's distribution (Debian), as root; $1 is the output folder.
# QEMU boots the kernel and the initrd that are written beside the box, so the disk is a plain file system: no boot loader,
# loop device or mount is needed, and an interrupted run leaves none behind.
set -euo pipefail
folder=$1 work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
# shellcheck source=/dev/null
. /etc/os-release
[[ $ID == debian ]] || { echo "make_box.sh: the box needs Debian's packages and package sources" >&2 && exit 1; }

# The guest uses this machine's package sources, proxies and certificates.
sources=()
for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.{list,sources}; do
  if [[ -f $file ]]; then sources+=("$file"); fi
done
apt-config dump Acquire >"$work/apt.conf"
packages=(linux-image-"$(dpkg --print-architecture)" systemd-sysv dbus openssh-server sudo ifupdown isc-dhcp-client ca-certificates)
mmdebstrap --quiet --format=directory --aptopt="$work/apt.conf" --include="${packages[*]}" "$VERSION_CODENAME" "$root" "${sources[@]}"

if [[ -d /usr/local/share/ca-certificates ]]; then
  cp -r /usr/local/share/ca-certificates "$root/usr/local/share/"
  chroot "$root" update-ca-certificates >/dev/null
fi

# Vagrant expects a user vagrant with a well-known key, which `vagrant up` replaces, and sudo.
chroot "$root" useradd --create-home --shell /bin/bash vagrant
install -d -m 0700 "$root/home/vagrant/.ssh"
install -m 0600 "$(dpkg -L vagrant | grep 'keys/vagrant\.pub$' | head -n 1)" "$root/home/vagrant/.ssh/authorized_keys"
chroot "$root" chown -R vagrant:vagrant /home/vagrant/.ssh
echo 'vagrant ALL=(ALL) NOPASSWD: ALL' >"$root/etc/sudoers.d/vagrant"
echo 'UseDNS no' >>"$root/etc/ssh/sshd_config"
echo '/dev/vda / ext4 defaults,noatime 0 1' >"$root/etc/fstab"
printf 'auto lo eth0\niface lo inet loopback\niface eth0 inet dhcp\n' >"$root/etc/network/interfaces"
rm -f "$root/etc/resolv.conf" # It is the host's; DHCP sets the guest's.

mkdir -p "$folder"
cp -L "$root/vmlinuz" "$folder/vmlinuz"
cp -L "$root/initrd.img" "$folder/initrd.img"
truncate -s 8G "$work/disk.raw"
mkfs.ext4 -q -d "$root" "$work/disk.raw"
qemu-img convert -O qcow2 "$work/disk.raw" "$work/box.img"
echo '{"provider": "libvirt", "format": "qcow2", "virtual_size": 8}' >"$work/metadata.json"
tar -C "$work" -cf "$work/lab.box" metadata.json box.img
mv "$work/lab.box" "$folder/lab.box" # Last, so that the box is complete if it exists.
