#!/bin/busybox sh
# shellcheck shell=dash
# The emulated machine's first program, from its initrd: makes its disk the root, with the folder that the host shares at
# /mnt, and goes on with arm64_guest.sh there.
/bin/busybox mount -t devtmpfs dev /dev
for module in /modules/*; do /bin/busybox insmod "$module"; done # numbered in the order in which they depend on each other
/bin/busybox mount -t ext4 -o noatime /dev/vda /root
/bin/busybox mkdir -p /root/mnt /root/wheels
/bin/busybox mount --move /dev /root/dev
/bin/busybox mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000 lab /root/mnt
exec /bin/busybox switch_root /root /bin/bash /mnt/project/tests/machines/arm64_guest.sh
