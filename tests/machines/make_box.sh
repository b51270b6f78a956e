#!/usr/bin/env bash
# Makes what QEMU boots from Debian's packages, as root: make_box.sh FOLDER vagrant|lima. Debian 13, as the Vagrantfile and
# lima.yaml have it; with vagrant it is a box for libvirt, with lima a disk with cloud-init.
# QEMU boots the kernel and the initrd that are written beside the disk, so the disk is a plain file system: no boot loader,
# loop device or mount is needed, and an interrupted run leaves none behind.
set -euo pipefail
folder=$1 kind=$2 work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
packages=(linux-image-"$(dpkg --print-architecture)" systemd-sysv dbus openssh-server sudo ifupdown isc-dhcp-client)
[[ $kind == vagrant ]] || packages+=(cloud-init)
"$(dirname "$0")/debian_root.sh" trixie important "$root" "${packages[@]}"

echo 'UseDNS no' >>"$root/etc/ssh/sshd_config"
echo '/dev/vda / ext4 defaults,noatime 0 1' >"$root/etc/fstab"
printf 'auto lo eth0\niface lo inet loopback\niface eth0 inet dhcp\n' >"$root/etc/network/interfaces"

if [[ $kind == vagrant ]]; then # Vagrant expects a user vagrant with a well-known key, which `vagrant up` replaces, and sudo.
  chroot "$root" useradd --create-home --shell /bin/bash vagrant
  install -d -m 0700 "$root/home/vagrant/.ssh"
  install -m 0600 "$(dpkg -L vagrant | grep 'keys/vagrant\.pub$' | head -n 1)" "$root/home/vagrant/.ssh/authorized_keys"
  chroot "$root" chown -R vagrant:vagrant /home/vagrant/.ssh
  echo 'vagrant ALL=(ALL) NOPASSWD: ALL' >"$root/etc/sudoers.d/vagrant"
else # Its other sources of data are clouds, for which it would wait.
  printf 'datasource_list: [NoCloud]\nnetwork: {config: disabled}\n' >"$root/etc/cloud/cloud.cfg.d/99-ebpf-lab.cfg"
fi

mkdir -p "$folder"
cp -L "$root/vmlinuz" "$folder/vmlinuz"
cp -L "$root/initrd.img" "$folder/initrd.img"
truncate -s 8G "$work/disk.raw"
mkfs.ext4 -q -d "$root" "$work/disk.raw"
qemu-img convert -O qcow2 "$work/disk.raw" "$work/box.img"
if [[ $kind == vagrant ]]; then
  echo '{"provider": "libvirt", "format": "qcow2", "virtual_size": 8}' >"$work/metadata.json"
  tar -C "$work" -cf "$work/lab.box" metadata.json box.img
  mv "$work/lab.box" "$folder/lab.box" # Last, so that the box is complete if it exists.
else
  mv "$work/box.img" "$folder/disk.qcow2"
fi
